#include "session/back_end.h"

namespace espalier {

std::unique_ptr<BackEnd> make_cuda_back_end(int /*ordinal*/, Precision /*precision*/) {
  fail(ErrorCode::unsupported,
       "this build has no CUDA back end: use --device cpu, or install the CUDA toolkit and rebuild with: make cuda");
}

}  // namespace espalier
