// A network that removes backgrounds, with everything around it: weights of one ONNX file on one device, and rembg's steps.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/monitor.h"
#include "image/matte.h"
#include "models/matting/plan.h"
#include "runtime/device_choice.h"

namespace espalier {

class BackgroundNetwork {
 public:
  BackgroundNetwork() = default;
  BackgroundNetwork(const BackgroundNetwork&) = delete;
  BackgroundNetwork& operator=(const BackgroundNetwork&) = delete;
  virtual ~BackgroundNetwork() = default;

  // The size that images are squashed to, and their normalisation.
  [[nodiscard]] virtual const MatteInput& form() const = 0;
  // matte_input() -> the network's first output [height, width].
  [[nodiscard]] virtual std::vector<float> run(const std::vector<float>& input) = 0;

  // What rembg's remove() gives for an opaque image: RGBA of its size.
  [[nodiscard]] Image remove(const Image& rgb) {
    const MatteInput& f = form();
    return cut_by_matte(rgb, matte_of(run(matte_input(rgb, f)), f.width, f.height));
  }
};

// How rembg feeds the network of this file. By its name where rembg has that: IS-Net ("isnet-...") sees 1024 x 1024 pixels less
// 0.5, others 320 x 320 with the mean and deviation of ImageNet; a size that the file fixes wins. A file of another name is
// taken for IS-Net when it fixes 1024 x 1024.
[[nodiscard]] MatteInput matte_form(const std::filesystem::path& file, const OnnxGraph& graph);

// Opens an ONNX file. half: in float16 (GPUs only). `monitor` may be null and must outlive the network. Throws what OnnxFile
// and plan_network throw, and unsupported for a network that is not one of three channels in and one of the input's size out.
[[nodiscard]] std::unique_ptr<BackgroundNetwork> open_background_network(const std::filesystem::path& file,
                                                                         const DeviceChoice& device, bool half,
                                                                         const Monitor* monitor = nullptr);

// Memory in bytes that the network takes on the CPU: weights, feature maps and working memory. Reads no weights. Throws what
// open_background_network throws.
[[nodiscard]] std::uint64_t background_network_bytes(const std::filesystem::path& file);

// The part of open_background_network that a back end does.
struct BackgroundNetworkSource {
  const OnnxFile& file;
  MattingPlan plan;
  MatteInput form;
};
[[nodiscard]] std::unique_ptr<BackgroundNetwork> make_cpu_background_network(const BackgroundNetworkSource& source,
                                                                             const Monitor* monitor);
[[nodiscard]] std::unique_ptr<BackgroundNetwork> make_cuda_background_network(const BackgroundNetworkSource& source,
                                                                              int ordinal, bool half, const Monitor* monitor);

}  // namespace espalier
