#include "finishing/finish_impl.h"

namespace espalier {

FinishedMesh finish_mesh_cpu(const FinishInput& input, const FinishRequest& request, const StageHooks& hooks,
                             std::vector<StageReport>& stages) {
  return Finisher<Cpu>(0, input, request, hooks, stages).run();
}

}  // namespace espalier
