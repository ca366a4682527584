#include "models/matting/background_network.h"

#include "base/error.h"
#include "models/matting/network.h"

namespace espalier {

MatteInput matte_form(const std::filesystem::path& file, const OnnxGraph& graph) {
  constexpr int kLarge = 1024;
  const std::string name = file.stem().string();
  MatteInput form;
  // The sizes that the file fixes; 0 where it leaves them open.
  std::int64_t height = 0, width = 0;
  for (const OnnxValue& input : graph.inputs) {
    if (input.extents.size() != 4) continue;
    height = std::max<std::int64_t>(input.extents[2], 0);
    width = std::max<std::int64_t>(input.extents[3], 0);
    break;
  }
  const bool known = name.rfind("u2net", 0) == 0 || name.rfind("silueta", 0) == 0;
  if (name.rfind("isnet", 0) == 0 || (!known && height == kLarge && width == kLarge)) {
    form.width = form.height = kLarge;
    form.deviation = {1.0, 1.0, 1.0};
    if (name != "isnet-anime") form.mean = {0.5, 0.5, 0.5};
  }
  if (height > 0) form.height = static_cast<int>(std::min<std::int64_t>(height, 1 << 14U));
  if (width > 0) form.width = static_cast<int>(std::min<std::int64_t>(width, 1 << 14U));
  return form;
}

namespace {

BackgroundNetworkSource source_of(const OnnxFile& file, const std::filesystem::path& path) {
  const MatteInput form = matte_form(path, file.graph());
  BackgroundNetworkSource source{file, plan_network(file.label(), file.graph(), form.height, form.width), form};
  const MapShape& in = source.plan.maps[static_cast<std::size_t>(source.plan.input)];
  const MapShape& out = source.plan.maps[static_cast<std::size_t>(source.plan.outputs.front())];
  if (in != MapShape{3, form.height, form.width} || out != MapShape{1, form.height, form.width}) {
    fail(ErrorCode::unsupported, file.label(), ": a network of ", in.channels, " x ", in.height, " x ", in.width, " in and ",
         out.channels, " x ", out.height, " x ", out.width, " out does not remove backgrounds",
         hint("use u2net.onnx, u2netp.onnx or isnet-general-use.onnx"));
  }
  return source;
}

}  // namespace

std::uint64_t background_network_bytes(const std::filesystem::path& path) {
  const OnnxFile file(path);
  const BackgroundNetworkSource source = source_of(file, path);
  Queue<Cpu> queue;
  const std::size_t bytes = MattingNetwork<Cpu, float>::planned_bytes(queue, file.label(), source.plan);
  file.check_intact();
  return bytes;
}

std::unique_ptr<BackgroundNetwork> open_background_network(const std::filesystem::path& path, const DeviceChoice& device,
                                                           bool half, const Monitor* monitor) {
  const OnnxFile file(path);
  const BackgroundNetworkSource source = source_of(file, path);
  std::unique_ptr<BackgroundNetwork> network = device.cuda ? make_cuda_background_network(source, device.ordinal, half, monitor)
                                                           : make_cpu_background_network(source, monitor);
  file.check_intact();
  return network;
}

}  // namespace espalier
