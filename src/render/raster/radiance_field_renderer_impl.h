// RadianceFieldRenderer's members, shared by the back ends: each supplies trace_samples and instantiates the class.
#pragma once

#include "parallel/for_each.h"
#include "render/raster/downsample.h"
#include "render/raster/radiance_field_scene.h"
#include "runtime/array.h"

namespace espalier::radiance {

// `fine` gives memory for that many floats.
template <class Dev, class Fine>
void render_view(Queue<Dev>& queue, const Field& field, const Camera& camera, const RadianceFieldOptions& o,
                 const Samples& images, const Fine& fine) {
  queue.check();
  const RayCamera rays = ray_camera_of(camera, o, field.resolution);
  const std::int64_t height = o.height, width = o.width, factor = o.ssaa;
  if (factor == 1) {
    trace_samples(queue, field, rays, images);
  } else {
    const std::int64_t samples = height * width * factor * factor;
    float* const all = fine(5 * samples);
    const Samples out{all, all + 3 * samples, images.depth != nullptr ? all + 4 * samples : nullptr};
    trace_samples(queue, field, rays, out);
    const auto reduce = [&](const float* from, float* to, std::int64_t channels) {
      downsample<Dev>(queue, View<Dev, const float, 3>(from, {height * factor, width * factor, channels}), o.ssaa,
                      View<Dev, float, 3>(to, {height, width, channels}));
    };
    reduce(out.colour, images.colour, 3);
    reduce(out.alpha, images.alpha, 1);
    if (out.depth != nullptr) reduce(out.depth, images.depth, 1);
  }
  if (images.depth != nullptr) {
    for_each(queue, "RadianceFieldRenderer::render", height * width, DivideDepth{images.alpha, images.depth});
  }
}

// Throws internal where the images are not what the options ask for.
template <class Dev>
void check_images(std::int64_t views, const RadianceFieldOptions& o, View<Dev, float, 4> colour, View<Dev, float, 3> alpha,
                  View<Dev, float, 3> depth) {
  const Extents<3> flat{views, o.height, o.width};
  require(colour.extents() == Extents<4>{views, o.height, o.width, 3} && alpha.extents() == flat && colour.contiguous() &&
              alpha.contiguous() && (depth.data() == nullptr || (depth.extents() == flat && depth.contiguous())),
          "RadianceFieldRenderer::render", "the images are not what the options ask for");
}

// An image as the only one of a series.
template <class Dev, int Rank>
View<Dev, float, Rank + 1> alone(View<Dev, float, Rank> image) {
  require(image.contiguous(), "RadianceFieldRenderer::render", "the images are not contiguous");
  Extents<Rank + 1> extents{1};
  for (std::size_t k = 0; k < Rank; ++k) extents[k + 1] = image.extents()[k];
  return {image.data(), extents};
}

}  // namespace espalier::radiance

namespace espalier {

template <class Dev>
struct RadianceFieldRenderer<Dev>::State {
  Queue<Dev>& queue;
  Array<Dev, std::int32_t> bricks, voxels;
  Array<Dev, float> vectors, density, colour, fine;
  radiance::Field field;

  State(Queue<Dev>& q, const radiance::HostField& host)
      : queue(q),
        bricks(queue, host.bricks, "bricks of a radiance field"),
        voxels(queue, host.voxels, "voxels of a radiance field"),
        vectors(queue, host.vectors, "vectors of a radiance field"),
        density(queue, host.density, "densities of a radiance field"),
        colour(queue, host.colour, "colours of a radiance field"),
        field{bricks.data(),   voxels.data(),       vectors.data(), density.data(), colour.data(),
              host.resolution, host.side_of_bricks, host.rank,      host.dim} {
    queue.synchronize();  // the host's arrays end here
  }
  void draw(const Camera& camera, const RadianceFieldOptions& options, const radiance::Samples& images) {
    radiance::render_view(queue, field, camera, options, images,
                          [&](std::int64_t n) { return fine.resize(queue, n, "samples of images"); });
  }
};

template <class Dev>
RadianceFieldRenderer<Dev>::RadianceFieldRenderer(Queue<Dev>& queue, const RadianceField& field)
    : state_(std::make_unique<State>(queue, radiance::host_field_of(field))) {}
template <class Dev>
RadianceFieldRenderer<Dev>::~RadianceFieldRenderer() = default;

template <class Dev>
void RadianceFieldRenderer<Dev>::render(const Camera& camera, const RadianceFieldOptions& options, View<Dev, float, 3> colour,
                                        View<Dev, float, 2> alpha, View<Dev, float, 2> depth) {
  radiance::check_options(options);
  radiance::check_images<Dev>(1, options, radiance::alone(colour), radiance::alone(alpha), radiance::alone(depth));
  state_->draw(camera, options, {colour.data(), alpha.data(), depth.data()});
}

template <class Dev>
void RadianceFieldRenderer<Dev>::render(std::span<const Camera> cameras, const RadianceFieldOptions& options,
                                        View<Dev, float, 4> colour, View<Dev, float, 3> alpha) {
  radiance::check_options(options);
  radiance::check_images<Dev>(static_cast<std::int64_t>(cameras.size()), options, colour, alpha, {});
  const std::int64_t pixels = std::int64_t{options.width} * options.height;
  for (std::size_t i = 0; i < cameras.size(); ++i) {
    const std::int64_t at = static_cast<std::int64_t>(i) * pixels;
    state_->draw(cameras[i], options, {colour.data() + 3 * at, alpha.data() + at, nullptr});
  }
}

}  // namespace espalier
