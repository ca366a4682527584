#include "bake/bake_impl.h"
#include "bake/project_impl.h"

namespace espalier {

template BakedTexture bake_texture(Queue<Cpu>&, const Mesh&, ViewSource<Cpu>&, const BakeOptions&, const Monitor*);
template double bake_fidelity(Queue<Cpu>&, const Mesh&, const Image&, ViewSource<Cpu>&, const std::vector<OrbitCamera>&, int,
                              const Monitor*);
template ProjectedImages project_images(Queue<Cpu>&, const Mesh&, const std::vector<Image>&, const ProjectOptions&, Image&,
                                        const Monitor*);

}  // namespace espalier
