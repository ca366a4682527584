#include "bake/bake.h"
#include "bake/bake_impl.h"
#include "bake/project_impl.h"
#include "parallel/cuda/for_each.cuh"

namespace espalier {

template <>
struct baking::Each<Cuda> {
  template <class Step>
  static void run(Queue<Cuda>& queue, std::int64_t n, const Step& step) {
    cuda::for_each(queue, "bake_texture", n, step);
  }
};

template <>
BakedTexture bake_texture(Queue<Cuda>& queue, const Mesh& mesh, ViewSource<Cuda>& source, const BakeOptions& options,
                          const Monitor* monitor) {
  return baking::bake(queue, mesh, source, options, monitor);
}

template <>
double bake_fidelity(Queue<Cuda>& queue, const Mesh& mesh, const Picture& texture, ViewSource<Cuda>& source,
                     const std::vector<OrbitCamera>& cameras, int view_size, const Monitor* monitor) {
  return baking::fidelity(queue, mesh, texture, source, cameras, view_size, monitor);
}

template <>
ProjectedPictures project_pictures(Queue<Cuda>& queue, const Mesh& mesh, const std::vector<Picture>& pictures,
                                   const ProjectOptions& options, Picture& texture, const Monitor* monitor) {
  return baking::project(queue, mesh, pictures, options, texture, monitor);
}

}  // namespace espalier
