// SplatRenderer's members, shared by the back ends. A back end supplies State with a constructor from a queue and a
// splat::HostScene, and void render(std::span<const Camera>, const SplatOptions&, float* colour, float* alpha); then it
// instantiates the class.
#pragma once

#include "render/raster/splat_renderer.h"
#include "render/raster/splat_scene.h"

namespace espalier {

template <class Dev>
SplatRenderer<Dev>::SplatRenderer(Queue<Dev>& queue, const Gaussians& gaussians)
    : state_(std::make_unique<State>(queue, splat::host_scene_of(gaussians))) {}
template <class Dev>
SplatRenderer<Dev>::~SplatRenderer() = default;

template <class Dev>
void SplatRenderer<Dev>::render(std::span<const Camera> cameras, const SplatOptions& options, View<Dev, float, 4> colour,
                                View<Dev, float, 3> alpha) {
  splat::check_options(options);
  splat::check_images(cameras.size(), options, colour.extents(), alpha.extents(), colour.contiguous() && alpha.contiguous());
  state_->render(cameras, options, colour.data(), alpha.data());
}

template <class Dev>
void SplatRenderer<Dev>::render(const Camera& camera, const SplatOptions& options, View<Dev, float, 3> colour,
                                View<Dev, float, 2> alpha) {
  const bool contiguous = colour.contiguous() && alpha.contiguous();
  require(contiguous, "SplatRenderer::render", "the images are not contiguous");
  render(std::span(&camera, 1), options, {colour.data(), {1, colour.extent(0), colour.extent(1), colour.extent(2)}},
         {alpha.data(), {1, alpha.extent(0), alpha.extent(1)}});
}

}  // namespace espalier
