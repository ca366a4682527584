#include "finishing/finish.h"

namespace espalier {

FinishedMesh finish_mesh_cuda(int /*ordinal*/, const FinishInput& /*input*/, const FinishRequest& /*request*/,
                              const StageHooks& /*hooks*/, std::vector<StageReport>& /*stages*/) {
  fail(ErrorCode::unsupported,
       "this build has no CUDA back end: use --device cpu, or install the CUDA toolkit and rebuild with: make cuda");
}

}  // namespace espalier
