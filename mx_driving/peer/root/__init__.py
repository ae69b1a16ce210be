"""What DrivingSDK has beside its operators' modules; this folder is on ``mx_driving.__path__``."""
