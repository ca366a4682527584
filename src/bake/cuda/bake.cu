#include "bake/bake_impl.h"
#include "bake/project_impl.h"
#include "parallel/cuda/for_each.cuh"

namespace espalier {

template BakedTexture bake_texture(Queue<Cuda>&, const Mesh&, ViewSource<Cuda>&, const BakeOptions&, const Monitor*);
template double bake_fidelity(Queue<Cuda>&, const Mesh&, const Picture&, ViewSource<Cuda>&, const std::vector<OrbitCamera>&,
                              int, const Monitor*);
template ProjectedPictures project_pictures(Queue<Cuda>&, const Mesh&, const std::vector<Picture>&, const ProjectOptions&,
                                            Picture&, const Monitor*);

}  // namespace espalier
