"""Modules of DrivingSDK: ``mx_driving.modules``."""
