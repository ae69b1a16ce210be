"""Not provided: one line says so."""

raise ImportError(
    "mx_driving.dataset is not provided: QCNet and CenterPoint load data by it; keep the stock data set and sampler"
)
