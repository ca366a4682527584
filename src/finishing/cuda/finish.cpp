#include "finishing/finish_impl.h"

namespace espalier {

FinishedMesh finish_mesh_cuda(int ordinal, const FinishInput& input, const FinishRequest& request, const StageHooks& hooks,
                              std::vector<StageReport>& stages) {
  return Finisher<Cuda>(ordinal, input, request, hooks, stages).run();
}

}  // namespace espalier
