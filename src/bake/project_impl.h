// The order of work of project_images, shared by the back ends.
#pragma once

#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include "bake/bake_impl.h"
#include "bake/image_layer.h"
#include "bake/project.h"
#include "bake/project_steps.h"
#include "image/resize.h"

namespace espalier::baking {

// Throws where texture or images cannot be used.
void check_projection(const Image& texture, const std::vector<Image>& images);
// What the sums of JudgeRow over all rows say.
[[nodiscard]] ImageAgreement agreement_of(const std::vector<double>& sums);

template <class Dev>
class ImageProjector {
 public:
  ImageProjector(Queue<Dev>& queue, const Mesh& mesh, const ProjectOptions& options, Image& texture, const Monitor* monitor)
      : queue_(queue),
        mesh_(mesh),
        options_(options),
        texture_(texture),
        monitor_(monitor),
        rasteriser_(queue, mesh),
        faces_(queue, mesh.faces, "faces of a mesh"),
        uvs_(queue, mesh.uvs, "texture coordinates"),
        texels_(queue, texture.pixels, "a texture") {}

  ProjectedImages run(const std::vector<Image>& images) {
    ProjectedImages out;
    const std::int64_t s = texture_.width, count = s * s;
    const Array<Dev, std::int32_t> face(queue_, count, "faces of texels");
    const Array<Dev, float> barycentric(queue_, 2 * count, "weights of texels"), position(queue_, 3 * count, "positions"),
        normal(queue_, 3 * count, "normals of texels"), sum(queue_, 4 * count, "sums of images"),
        most(queue_, count, "largest weights");
    const Array<Dev, std::uint8_t> taken(queue_, count, "texels of an image");
    sum.zero(queue_);
    most.zero(queue_);
    const Fragments<Dev> fragments{face.template view<2>({s, s}), barycentric.template view<3>({s, s, 2}), {}};
    rasteriser_.render_texels(fragments, kGutter);
    spread(fragments, mesh_.vertices, position, "vertices of a mesh");
    spread(fragments, mesh_.normals, normal, "normals of a mesh");
    const std::vector<std::int32_t> host_face = face.host(queue_);
    out.texels = std::count_if(host_face.begin(), host_face.end(), [](std::int32_t f) { return f != 0; });
    bool any = false;
    for (std::size_t i = 0; i < images.size(); ++i) {
      const Share share(monitor_, static_cast<int>(i), static_cast<int>(images.size()));
      ProjectedImage result;
      result.found = find(images[i], share);
      result.used = result.found.agreement.overlap >= options_.least_overlap &&
                    result.found.agreement.colour_error <= options_.most_colour_error;
      if (result.used) {
        TakeImage step{};
        step.view.face = face.data();
        step.view.position = position.data();
        step.view.normal = normal.data();
        step.sum = sum.data();
        step.most = most.data();
        step.taken = taken.data();
        take(images[i], result.found.camera, step);
        for (const std::uint8_t t : taken.host(queue_)) result.texels += t;
        any = true;
      }
      out.images.push_back(result);
    }
    if (any) blend(sum, most, host_face);
    return out;
  }

 private:
  // Progress of one image among several.
  class Share final : public Monitor {
   public:
    Share(const Monitor* whole, int index, int count) : whole_(whole), index_(index), count_(count) {}
    void progress(int done, int total) const override {
      if (whole_ != nullptr) whole_->progress((100 * index_ + 95 * done / std::max(total, 1)), 100 * count_);
    }
    [[nodiscard]] bool cancelled() const override { return whole_ != nullptr && whole_->cancelled(); }

   private:
    const Monitor* whole_;
    int index_, count_;
  };

  // A view of the mesh alone.
  struct Shown {
    Shown(Queue<Dev>& queue, int s)
        : size(s),
          face(queue, pixels(), "faces of a view"),
          barycentric(queue, 2 * pixels(), "weights of a view"),
          depth(queue, pixels(), "depth of a view") {}
    [[nodiscard]] std::int64_t pixels() const { return std::int64_t{size} * size; }
    [[nodiscard]] Fragments<Dev> fragments() const {
      return {face.template view<2>({size, size}), barycentric.template view<3>({size, size, 2}),
              depth.template view<2>({size, size})};
    }
    int size;
    Array<Dev, std::int32_t> face;
    Array<Dev, float> barycentric, depth;
  };

  [[nodiscard]] TexturedFaces textured() const { return {faces_.data(), uvs_.data(), texels_.data(), texture_.width}; }

  void spread(const Fragments<Dev>& fragments, const std::vector<float>& values, const Array<Dev, float>& to,
              const char* what) {
    const std::int64_t s = texture_.width;
    const Array<Dev, float> of_vertices(queue_, values, what);
    rasteriser_.interpolate(fragments, of_vertices.template view<2>({mesh_.vertex_count(), 3}), to.template view<3>({s, s, 3}));
    queue_.synchronize();  // before the values go
  }

  FoundCamera find(const Image& image, const Monitor& monitor) {
    struct Level {
      Level(Queue<Dev>& queue, const Image& whole, int size)
          : shown(queue, size),
            image(queue, resize_lanczos(whole, size, size).pixels, "an image"),
            sums(queue, std::int64_t{size} * kJudgeSums, "sums of rows") {}
      Shown shown;
      Array<Dev, std::uint8_t> image;
      Array<Dev, double> sums;
    };
    std::vector<std::unique_ptr<Level>> levels;
    for (const int size : kJudgedSizes) levels.push_back(std::make_unique<Level>(queue_, image, size));
    const JudgeCamera judge = [&](const Camera& camera, int size) {
      const auto found = std::find(kJudgedSizes.begin(), kJudgedSizes.end(), size);
      const Level& level = *levels[static_cast<std::size_t>(found - kJudgedSizes.begin())];
      rasteriser_.render(
          camera,
          {level.shown.face.template view<2>({size, size}), level.shown.barycentric.template view<3>({size, size, 2}), {}});
      for_each(queue_, "project_images", size,
               JudgeRow{level.shown.face.data(), level.shown.barycentric.data(), textured(), level.image.data(), size,
                        level.sums.data()});
      return agreement_of(level.sums.host(queue_));
    };
    return find_camera(mesh_, outline_box(image), judge, &monitor);
  }

  void take(const Image& image, const Camera& camera, TakeImage step) {
    if (monitor_ != nullptr) monitor_->check();
    // Finer than the texture, an image would only be sampled with gaps.
    const int size = std::min(image.width, texture_.width);
    const Shown shown(queue_, size);
    const Array<Dev, float> colour(queue_, 3 * shown.pixels(), "colours of a view"), weight(queue_, shown.pixels(), "weights");
    rasteriser_.render(camera, shown.fragments());
    for_each(queue_, "project_images", shown.pixels(),
             ShadePixel{shown.face.data(), shown.barycentric.data(), textured(), colour.data()});
    const std::vector<std::int32_t> face = shown.face.host(queue_);
    const std::vector<float> depth = shown.depth.host(queue_), baked = colour.host(queue_);
    const ImageLayer layer = image_layer(resize_lanczos(image, size, size), {size, face, depth, baked});
    colour.set(queue_, layer.colour);
    weight.set(queue_, layer.weight);
    const auto [texel_face, texel_position, texel_normal] = std::tuple(step.view.face, step.view.position, step.view.normal);
    step.view = texel_view(camera, size, 0.26F);
    step.view.face = texel_face;
    step.view.position = texel_position;
    step.view.normal = texel_normal;
    step.view.depth = shown.depth.data();
    step.colour = colour.data();
    step.weight = weight.data();
    for_each(queue_, "project_images", std::int64_t{texture_.width} * texture_.width, step);
    queue_.synchronize();
  }

  void blend(const Array<Dev, float>& sum, const Array<Dev, float>& most, const std::vector<std::int32_t>& face) {
    std::vector<float> colours(texture_.pixels.size());
    for (std::size_t i = 0; i < colours.size(); ++i) colours[i] = static_cast<float>(texture_.pixels[i]) / 255.0F;
    const Array<Dev, float> blended(queue_, colours, "a texture");
    for_each(queue_, "project_images", std::int64_t{texture_.width} * texture_.width,
             BlendImages{sum.data(), most.data(), blended.data()});
    colours = blended.host(queue_);
    fill_outside(face, texture_.width, colours);
    texture_ = bytes_of(colours, texture_.width);
  }

  Queue<Dev>& queue_;
  const Mesh& mesh_;
  const ProjectOptions& options_;
  Image& texture_;
  const Monitor* monitor_;
  TriangleRasteriser<Dev> rasteriser_;
  Array<Dev, std::int32_t> faces_;
  Array<Dev, float> uvs_;
  Array<Dev, std::uint8_t> texels_;
};

}  // namespace espalier::baking

namespace espalier {

template <class Dev>
ProjectedImages project_images(Queue<Dev>& queue, const Mesh& mesh, const std::vector<Image>& images,
                               const ProjectOptions& options, Image& texture, const Monitor* monitor) {
  baking::check_mesh(mesh);
  baking::check_projection(texture, images);
  return baking::ImageProjector<Dev>(queue, mesh, options, texture, monitor).run(images);
}

}  // namespace espalier
