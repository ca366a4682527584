#include "bake/bake_impl.h"
#include "bake/project_impl.h"
#include "parallel/cuda/for_each.cuh"

namespace espalier {

template BakedTexture bake_texture(Queue<Cuda>&, const Mesh&, ViewSource<Cuda>&, const BakeOptions&, const Monitor*);
template double bake_fidelity(Queue<Cuda>&, const Mesh&, const Image&, ViewSource<Cuda>&, const std::vector<OrbitCamera>&, int,
                              const Monitor*);
template ProjectedImages project_images(Queue<Cuda>&, const Mesh&, const std::vector<Image>&, const ProjectOptions&, Image&,
                                        const Monitor*);

}  // namespace espalier
