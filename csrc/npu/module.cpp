// The Python module mx_driving._operators_npu: loading it registers the NPU kernels, it has no functions.
#include <Python.h>
#include <torch/version.h>

extern "C" __attribute__((visibility("default"))) PyObject* PyInit__operators_npu() {
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                                   "_operators_npu",
                                   "NPU kernels of mx_driving.",
                                   -1,
                                   nullptr,
                                   nullptr,
                                   nullptr,
                                   nullptr,
                                   nullptr};
  PyObject* module = PyModule_Create(&definition);
  if (module && PyModule_AddStringConstant(module, "torch_version", TORCH_VERSION) < 0) {
    Py_DECREF(module);
    return nullptr;
  }
  return module;
}
