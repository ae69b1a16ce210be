"""What a training run needs, whatever runs it: arguments, patches, windows, the stop and the NPU's set-up."""
