#include "bake/bake.h"

#include "bake/bake_impl.h"
#include "bake/project_impl.h"
#include "parallel/parallel_for.h"

namespace espalier {

template <>
struct baking::Each<Cpu> {
  template <class Step>
  static void run(Queue<Cpu>& /*queue*/, std::int64_t n, const Step& step) {
    parallel_for(n, 4096, step);
  }
};

template <>
BakedTexture bake_texture(Queue<Cpu>& queue, const Mesh& mesh, ViewSource<Cpu>& source, const BakeOptions& options,
                          const Monitor* monitor) {
  return baking::bake(queue, mesh, source, options, monitor);
}

template <>
double bake_fidelity(Queue<Cpu>& queue, const Mesh& mesh, const Picture& texture, ViewSource<Cpu>& source,
                     const std::vector<OrbitCamera>& cameras, int view_size, const Monitor* monitor) {
  return baking::fidelity(queue, mesh, texture, source, cameras, view_size, monitor);
}

template <>
ProjectedPictures project_pictures(Queue<Cpu>& queue, const Mesh& mesh, const std::vector<Picture>& pictures,
                                   const ProjectOptions& options, Picture& texture, const Monitor* monitor) {
  return baking::project(queue, mesh, pictures, options, texture, monitor);
}

}  // namespace espalier
