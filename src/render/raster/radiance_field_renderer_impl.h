// The order of work of RadianceFieldRenderer, shared by the back ends. A back end supplies trace_samples, divide_depth,
// constructor, destructor, and a State with void draw(const Camera&, const RadianceFieldOptions&, const radiance::Samples&);
// then it instantiates the class.
#pragma once

#include "render/raster/downsample.h"
#include "render/raster/radiance_field_scene.h"

namespace espalier::radiance {

// Traces all samples of a view.
template <class Dev>
void trace_samples(Queue<Dev>& queue, const Field& field, const RayCamera& camera, const Samples& out);

// depth[i] = mean_depth(depth[i], alpha[i]) for i in [0, n).
template <class Dev>
void divide_depth(Queue<Dev>& queue, const float* alpha, float* depth, std::int64_t n);

// `fine` gives memory for that many floats.
template <class Dev, class Fine>
void render_view(Queue<Dev>& queue, const Field& field, const Camera& camera, const RadianceFieldOptions& o,
                 const Samples& pictures, const Fine& fine) {
  queue.check();
  const RayCamera rays = ray_camera_of(camera, o, field.resolution);
  const std::int64_t height = o.height, width = o.width, factor = o.ssaa;
  if (factor == 1) {
    trace_samples<Dev>(queue, field, rays, pictures);
  } else {
    const std::int64_t samples = height * width * factor * factor;
    float* const all = fine(static_cast<std::uint64_t>(5 * samples));
    const Samples out{all, all + 3 * samples, pictures.depth != nullptr ? all + 4 * samples : nullptr};
    trace_samples<Dev>(queue, field, rays, out);
    const auto reduce = [&](const float* from, float* to, std::int64_t channels) {
      downsample<Dev>(queue, View<Dev, const float, 3>(from, {height * factor, width * factor, channels}), o.ssaa,
                      View<Dev, float, 3>(to, {height, width, channels}));
    };
    reduce(out.colour, pictures.colour, 3);
    reduce(out.alpha, pictures.alpha, 1);
    if (out.depth != nullptr) reduce(out.depth, pictures.depth, 1);
  }
  if (pictures.depth != nullptr) divide_depth<Dev>(queue, pictures.alpha, pictures.depth, height * width);
}

// Throws internal where the pictures are not what the options ask for.
template <class Dev>
void check_pictures(std::int64_t views, const RadianceFieldOptions& o, View<Dev, float, 4> colour, View<Dev, float, 3> alpha,
                    View<Dev, float, 3> depth) {
  const Extents<3> flat{views, o.height, o.width};
  require(colour.extents() == Extents<4>{views, o.height, o.width, 3} && alpha.extents() == flat && colour.contiguous() &&
              alpha.contiguous() && (depth.data() == nullptr || (depth.extents() == flat && depth.contiguous())),
          "RadianceFieldRenderer::render", "the pictures are not what the options ask for");
}

// A picture as the only one of a series.
template <class Dev, int Rank>
View<Dev, float, Rank + 1> alone(View<Dev, float, Rank> picture) {
  require(picture.contiguous(), "RadianceFieldRenderer::render", "the pictures are not contiguous");
  Extents<Rank + 1> extents{1};
  for (std::size_t k = 0; k < Rank; ++k) extents[k + 1] = picture.extents()[k];
  return {picture.data(), extents};
}

}  // namespace espalier::radiance

namespace espalier {

template <class Dev>
void RadianceFieldRenderer<Dev>::render(const Camera& camera, const RadianceFieldOptions& options, View<Dev, float, 3> colour,
                                        View<Dev, float, 2> alpha, View<Dev, float, 2> depth) {
  radiance::check_options(options);
  radiance::check_pictures<Dev>(1, options, radiance::alone(colour), radiance::alone(alpha), radiance::alone(depth));
  state_->draw(camera, options, {colour.data(), alpha.data(), depth.data()});
}

template <class Dev>
void RadianceFieldRenderer<Dev>::render(std::span<const Camera> cameras, const RadianceFieldOptions& options,
                                        View<Dev, float, 4> colour, View<Dev, float, 3> alpha) {
  radiance::check_options(options);
  radiance::check_pictures<Dev>(static_cast<std::int64_t>(cameras.size()), options, colour, alpha, {});
  const std::int64_t pixels = std::int64_t{options.width} * options.height;
  for (std::size_t i = 0; i < cameras.size(); ++i) {
    const std::int64_t at = static_cast<std::int64_t>(i) * pixels;
    state_->draw(cameras[i], options, {colour.data() + 3 * at, alpha.data() + at, nullptr});
  }
}

}  // namespace espalier
