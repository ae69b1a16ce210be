// The Python module mx_driving._operators. It is empty on purpose: loading the library is what registers the operators.
#include <Python.h>
#include <torch/version.h>

extern "C" PyMODINIT_FUNC PyInit__operators() {
  static PyModuleDef definition = {
      PyModuleDef_HEAD_INIT, "_operators", nullptr, -1, nullptr, nullptr, nullptr, nullptr, nullptr};
  PyObject* module = PyModule_Create(&definition);
  // mx_driving.ops compares this with the torch that is running: torch promises no C++ ABI across minor versions.
  if (module != nullptr && PyModule_AddStringConstant(module, "torch_version", TORCH_VERSION) != 0) {
    Py_DECREF(module);
    return nullptr;
  }
  return module;
}
