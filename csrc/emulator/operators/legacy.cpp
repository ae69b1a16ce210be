// Operators that torch_npu still sends down the older aclop route.
#include "emulator/runtime/aclop.h"

namespace emulator::operators {

ACLOP("Identity", c.out(0, c.in(0)))
ACLOP("Cast", c.out(0, c.in(0)))
ACLOP("TransData", c.out(0, c.in(0)))
ACLOP("Transpose", c.out(0, c.in(0).permute(c.in_ints(1))))
ACLOP("NPUClearFloatStatusV2", )
ACLOP("NPUGetFloatStatusV2", if (c.wants(0)) c.out(0, at::zeros_like(c.outputs[0])))

}  // namespace emulator::operators
