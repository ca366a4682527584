#include <thrust/iterator/permutation_iterator.h>

#include <bit>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>
#include <vector>

#include "parallel/cuda/for_each.cuh"
#include "render/raster/cuda/growing_block.h"
#include "render/raster/cuda/splat_kernels.cuh"
#include "render/raster/downsample.h"
#include "render/raster/splat_renderer.h"
#include "render/raster/splat_scene.h"

namespace espalier {
namespace {

using namespace splat;

constexpr const char* kWhere = "SplatRenderer::render";
constexpr int kThreads = 256;
constexpr std::int64_t kMaxRows = std::int64_t{1} << 22U;       // Gaussians of all views that are drawn together
constexpr std::int64_t kMaxSamples = std::int64_t{1} << 25U;    // of all views that are supersampled together
constexpr std::uint64_t kMaxEntries = std::uint64_t{1} << 26U;  // of lists that are sorted together, unless one view has more
constexpr std::uint64_t kMostEntries = 0x7FFFFFFFU;

// Two arrays that a sort moves between.
struct Pair {
  GrowingBlock first, second;
  cub::DoubleBuffer<std::uint32_t> take(const Queue<Cuda>& queue, std::uint64_t n, const char* what) {
    return {first.take<std::uint32_t>(queue, n, what), second.take<std::uint32_t>(queue, n, what)};
  }
};

}  // namespace

template <>
struct SplatRenderer<Cuda>::State {
  Queue<Cuda>& queue;
  std::int64_t gaussians;
  std::array<float, 3> low, high;
  GrowingBlock centre, covariance, opacity, harmonics;
  Scene scene{};
  GrowingBlock splats, tiles, counts, starts, totals, lists, workspace, fine;
  Pair keys, order, entry_keys, entry_splats;

  State(Queue<Cuda>& q, const HostScene& host) : queue(q), gaussians(host.count()), low(host.low), high(host.high) {
    scene = {centre.upload(queue, host.centre, "centres of Gaussians"),
             covariance.upload(queue, host.covariance, "covariances of Gaussians"),
             opacity.upload(queue, host.opacity, "opacities of Gaussians"),
             harmonics.upload(queue, host.harmonics, "colours of Gaussians"), host.coefficients};
    queue.synchronize();  // the host's arrays end here
  }

  // The keys that hold the depths of all Gaussians in all views, with room for rounding.
  [[nodiscard]] DepthKeys depth_keys(const Views& views, int count) const {
    float least = std::numeric_limits<float>::max(), most = kNear;
    for (int v = 0; v < count; ++v) {
      const float* const r = views.at[v].rotation + 6;
      float middle = views.at[v].translation[2], half = 0.0F, scale = std::abs(middle);
      for (std::size_t k = 0; k < 3; ++k) {
        middle += r[k] * 0.5F * (low[k] + high[k]);
        half += std::abs(r[k]) * 0.5F * (high[k] - low[k]);
        scale += std::abs(r[k]) * std::max(std::abs(low[k]), std::abs(high[k]));
      }
      const float slack = half + 1e-5F * scale;
      least = std::min(least, middle - slack);
      most = std::max(most, middle + slack);
    }
    least = std::clamp(least, kNear, most);
    if (!std::isfinite(least) || !std::isfinite(most)) return {std::bit_cast<std::uint32_t>(kNear), 0x7F800000U};
    return {std::bit_cast<std::uint32_t>(least), std::bit_cast<std::uint32_t>(most)};
  }

  template <class Call>
  void with_workspace(const Call& call) {
    std::size_t bytes = 0;
    ESPALIER_CHECK_CUDA(call(nullptr, bytes));
    std::byte* const memory = workspace.take<std::byte>(queue, bytes, "workspace of splatting");
    ESPALIER_CHECK_CUDA(call(memory, bytes));
  }
  void sort(cub::DoubleBuffer<std::uint32_t>& by, cub::DoubleBuffer<std::uint32_t>& values, std::int64_t n, int bits) {
    const cudaStream_t stream = cuda::activate(queue);
    with_workspace([&](void* memory, std::size_t& bytes) {
      return cub::DeviceRadixSort::SortPairs(memory, bytes, by, values, static_cast<int>(n), 0, bits, stream);
    });
  }

  // Lists the entries of rows [first, first + n) of `projected` by tile; n rows are whole views.
  void list_entries(const ViewPoint& view, const Projected& projected, int first_view, int views, std::int64_t entries,
                    DepthKeys depths, cub::DoubleBuffer<std::uint32_t> by_depth, cub::DoubleBuffer<std::uint32_t> rows,
                    cub::DoubleBuffer<std::uint32_t>& sorted, uint2* ranges) {
    const cudaStream_t stream = cuda::activate(queue);
    const std::int64_t n = gaussians * views, tiles_per_view = std::int64_t{view.columns} * view.rows;
    const std::int64_t skip = gaussians * first_view;
    by_depth = {by_depth.Current() + skip, by_depth.Alternate() + skip};
    rows = {rows.Current() + skip, rows.Alternate() + skip};
    sort(by_depth, rows, n, std::bit_width(depths.unseen()));
    std::uint32_t* const begins = starts.take<std::uint32_t>(queue, static_cast<std::uint64_t>(n), "places of Gaussians");
    with_workspace([&](void* memory, std::size_t& bytes) {
      const auto ordered = thrust::make_permutation_iterator(static_cast<const std::uint32_t*>(projected.counts),
                                                             static_cast<const std::uint32_t*>(rows.Current()));
      return cub::DeviceScan::ExclusiveSum(memory, bytes, ordered, begins, static_cast<int>(n), stream);
    });
    cub::DoubleBuffer<std::uint32_t> entry_by =
        entry_keys.take(queue, static_cast<std::uint64_t>(entries), "tiles of Gaussians");
    sorted = entry_splats.take(queue, static_cast<std::uint64_t>(entries), "lists of Gaussians");
    zero_bytes(queue, ranges, static_cast<std::size_t>(tiles_per_view * views) * sizeof(uint2));
    cuda::launch(queue, kWhere, list_kernel<kThreads>, dim3(cuda::blocks_for(kWhere, n, kThreads)), dim3(kThreads), 0, n,
                 gaussians, static_cast<std::uint32_t>(first_view), rows.Current(), begins, projected.counts, projected.tiles,
                 static_cast<std::uint32_t>(view.columns), static_cast<std::uint32_t>(tiles_per_view),
                 Entries{entry_by.Current(), sorted.Current()});
    sort(entry_by, sorted, entries, std::bit_width(static_cast<std::uint64_t>(tiles_per_view * views - 1)));
    cuda::for_each(queue, kWhere, entries, FindLists{entry_by.Current(), entries, ranges});
  }

  [[nodiscard]] static Views views_of(std::span<const Camera> cameras, const SplatOptions& options) {
    Views views{};
    for (std::size_t v = 0; v < cameras.size(); ++v) views.at[v] = view_point_of(cameras[v], options);
    return views;
  }
  void run_projection(const Views& views, int count, DepthKeys depths, const Projected& out, unsigned long long* sums) {
    cuda::launch(queue, kWhere, project_kernel<kThreads>,
                 dim3(cuda::blocks_for(kWhere, gaussians, kThreads), static_cast<unsigned>(count)), dim3(kThreads), 0, views,
                 scene, gaussians, depths, out, sums);
  }

  // Entries of the lists of every view. The host waits for them here, once for all views: waits between views would leave the
  // card idle for longer than it takes to draw one.
  std::vector<unsigned long long> count_entries(std::span<const Camera> cameras, const SplatOptions& options) {
    std::vector<unsigned long long> entries(cameras.size());
    if (gaussians == 0) return entries;
    auto* const sums = totals.take<unsigned long long>(queue, entries.size(), "counts of views");
    const std::size_t bytes = entries.size() * sizeof(entries[0]);
    zero_bytes(queue, sums, bytes);
    for (std::size_t first = 0; first < cameras.size(); first += kMaxViews) {
      const auto some = cameras.subspan(first, std::min<std::size_t>(kMaxViews, cameras.size() - first));
      run_projection(views_of(some, options), static_cast<int>(some.size()), {}, {}, sums + first);
    }
    download_bytes(queue, sums, entries.data(), bytes);
    return entries;
  }

  // Draws up to kMaxViews views of equal size.
  void draw_samples(std::span<const Camera> cameras, std::span<const unsigned long long> entries_of_views,
                    const SplatOptions& options, float* colour, float* alpha) {
    const Views views = views_of(cameras, options);
    const int count = static_cast<int>(cameras.size());
    const ViewPoint& view = views.at[0];
    const std::int64_t n = gaussians * count, samples = std::int64_t{view.width} * view.height;
    const std::int64_t tiles_per_view = std::int64_t{view.columns} * view.rows;
    const DepthKeys depths = depth_keys(views, count);
    const auto rows = static_cast<std::uint64_t>(n);
    cub::DoubleBuffer<std::uint32_t> by_depth = keys.take(queue, rows, "depths of Gaussians");
    cub::DoubleBuffer<std::uint32_t> sequence = order.take(queue, rows, "order of Gaussians");
    const Projected projected{
        splats.take<Splat>(queue, rows, "projected Gaussians"), tiles.take<Tiles>(queue, rows, "tiles of Gaussians"),
        counts.take<std::uint32_t>(queue, rows, "counts of Gaussians"), by_depth.Current(), sequence.Current()};
    auto* const ranges = lists.take<uint2>(queue, static_cast<std::uint64_t>(tiles_per_view * count), "tiles");
    if (gaussians > 0) run_projection(views, count, depths, projected, nullptr);
    // As many views together as the lists allow.
    for (int first = 0, last = 0; first < count; first = last) {
      std::uint64_t entries = 0;
      while (last < count && (last == first || entries + entries_of_views[static_cast<std::size_t>(last)] <= kMaxEntries)) {
        entries += entries_of_views[static_cast<std::size_t>(last++)];
      }
      if (entries > kMostEntries) {
        fail(ErrorCode::out_of_memory, "the Gaussians cover more than 2^31 tiles of a picture of ", view.width, " x ",
             view.height, " samples", hint("choose a smaller picture or a camera that is farther away"));
      }
      cub::DoubleBuffer<std::uint32_t> sorted;
      if (entries > 0) {
        list_entries(view, projected, first, last - first, static_cast<std::int64_t>(entries), depths, by_depth, sequence,
                     sorted, ranges);
      } else {
        zero_bytes(queue, ranges, static_cast<std::size_t>(tiles_per_view * (last - first)) * sizeof(uint2));
      }
      const Target target{colour + 3 * samples * first,
                          alpha + samples * first,
                          {options.background[0], options.background[1], options.background[2]},
                          view.width,
                          view.height,
                          view.columns,
                          view.rows};
      cuda::launch(queue, kWhere, blend_kernel, dim3(cuda::blocks_for(kWhere, tiles_per_view * (last - first), 1)),
                   dim3(kBlendThreads), 0, ranges, sorted.Current(), projected.splats, target);
    }
  }

  void draw(std::span<const Camera> cameras, std::span<const unsigned long long> entries, const SplatOptions& options,
            float* colour, float* alpha) {
    if (options.ssaa == 1) {
      draw_samples(cameras, entries, options, colour, alpha);
      return;
    }
    const auto count = static_cast<std::int64_t>(cameras.size());
    const std::int64_t height = std::int64_t{options.height} * options.ssaa, width = std::int64_t{options.width} * options.ssaa;
    const std::int64_t samples = height * width, pixels = std::int64_t{options.height} * options.width;
    float* const all = fine.take<float>(queue, static_cast<std::uint64_t>(4 * samples * count), "samples of pictures");
    draw_samples(cameras, entries, options, all, all + 3 * samples * count);
    for (std::int64_t v = 0; v < count; ++v) {
      downsample<Cuda>(queue, View<Cuda, const float, 3>(all + 3 * samples * v, {height, width, 3}), options.ssaa,
                       View<Cuda, float, 3>(colour + 3 * pixels * v, {options.height, options.width, 3}));
      downsample<Cuda>(queue, View<Cuda, const float, 3>(all + 3 * samples * count + samples * v, {height, width, 1}),
                       options.ssaa, View<Cuda, float, 3>(alpha + pixels * v, {options.height, options.width, 1}));
    }
  }
};

template <>
SplatRenderer<Cuda>::SplatRenderer(Queue<Cuda>& queue, const Gaussians& gaussians)
    : state_(std::make_unique<State>(queue, host_scene_of(gaussians))) {}
template <>
SplatRenderer<Cuda>::~SplatRenderer() = default;

template <>
void SplatRenderer<Cuda>::render(std::span<const Camera> cameras, const SplatOptions& options, View<Cuda, float, 4> colour,
                                 View<Cuda, float, 3> alpha) {
  check_options(options);
  check_pictures(cameras.size(), options, colour.extents(), alpha.extents(), colour.contiguous() && alpha.contiguous());
  const std::int64_t pixels = std::int64_t{options.width} * options.height;
  std::int64_t together = std::clamp<std::int64_t>(kMaxRows / std::max<std::int64_t>(state_->gaussians, 1), 1, kMaxViews);
  if (options.ssaa > 1) {
    together = std::clamp<std::int64_t>(kMaxSamples / (pixels * options.ssaa * options.ssaa), 1, together);
  }
  const std::vector<unsigned long long> entries = state_->count_entries(cameras, options);
  const std::span<const unsigned long long> all = entries;
  for (std::size_t first = 0; first < cameras.size(); first += static_cast<std::size_t>(together)) {
    state_->queue.check();
    const std::size_t count = std::min(static_cast<std::size_t>(together), cameras.size() - first);
    const auto at = static_cast<std::int64_t>(first);
    state_->draw(cameras.subspan(first, count), all.subspan(first, count), options, colour.data() + 3 * at * pixels,
                 alpha.data() + at * pixels);
  }
}

template <>
void SplatRenderer<Cuda>::render(const Camera& camera, const SplatOptions& options, View<Cuda, float, 3> colour,
                                 View<Cuda, float, 2> alpha) {
  const bool contiguous = colour.contiguous() && alpha.contiguous();
  require(contiguous, kWhere, "the pictures are not contiguous");
  render(std::span(&camera, 1), options, {colour.data(), {1, colour.extent(0), colour.extent(1), colour.extent(2)}},
         {alpha.data(), {1, alpha.extent(0), alpha.extent(1)}});
}

}  // namespace espalier
