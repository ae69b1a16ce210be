"""Not provided: one line says so."""

raise ImportError("mx_driving.tools is not provided: measuring an operator; take torch.profiler or ProfilerHook")
