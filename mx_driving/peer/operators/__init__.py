"""DrivingSDK's modules below ``mx_driving.ops`` that have no like-named file there; on its ``__path__``."""
