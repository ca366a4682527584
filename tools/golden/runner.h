// Runs the cases of a golden folder and compares every tensor.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "assets/voxels.h"
#include "espalier/espalier.h"
#include "nn/probe.h"
#include "synth.h"

namespace espalier::golden {

// Verdicts of a run.
struct Tally {
  int compared = 0, failed = 0, missing = 0;
};

// One case: its golden tensors, what was compared and how it went. Every tensor must be used as an input or compared.
class Case {
 public:
  Case(std::filesystem::path folder, std::string name, const nlohmann::json& spec, Precision precision, Tally& tally);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const nlohmann::json& spec() const { return spec_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] const Manifest& manifest();
  [[nodiscard]] Precision precision() const { return precision_; }
  [[nodiscard]] bool rounded() const { return precision_ != Precision::full; }
  // Of the matrices of linear layers, as sessions choose it; encoders have few rows.
  [[nodiscard]] MatrixFormat format(LayerRows rows = LayerRows::many) const {
    if (precision_ == Precision::int8) return MatrixFormat::int8;
    return precision_ == Precision::fp8 && rows == LayerRows::many ? MatrixFormat::float8 : MatrixFormat::plain;
  }
  [[nodiscard]] bool has(const std::string& tensor) const { return file_.has(tensor); }
  [[nodiscard]] std::vector<std::string> names() const;

  // Inputs.
  [[nodiscard]] HostTensor input(const std::string& tensor);
  // As numbers of the type wanted, whatever type the folder holds them in.
  [[nodiscard]] std::vector<float> floats(const std::string& tensor) { return numbers<float>(tensor); }
  [[nodiscard]] std::vector<std::int32_t> ints(const std::string& tensor) { return numbers<std::int32_t>(tensor); }
  [[nodiscard]] std::vector<std::int64_t> shape(const std::string& tensor) const;
  [[nodiscard]] double number(const std::string& key) const { return spec_.at(key).get<double>(); }

  // Compares a result with the golden tensor of that name, or every fifth value with NAME.every5, if there is one; error =
  // max|x - ref| / max(rms(ref), 1e-6). Integer tensors must be equal. Prints a line.
  template <class V>
  void compare(const std::string& tensor, const std::vector<V>& got) {
    if (has(tensor)) compare_values(tensor, {got.begin(), got.end()});
    constexpr std::size_t kStride = 5;  // of a folder with thinned tensors; prime to every extent, so that no index is left out
    if (!has(tensor + ".every5")) return;
    std::vector<double> picked;
    for (std::size_t i = 0; i < got.size(); i += kStride) picked.push_back(static_cast<double>(got[i]));
    compare_values(tensor + ".every5", picked);
  }
  // The golden tensor holds every K-th of the result's rows of `width` values; K follows from the sizes.
  void compare_every(const std::string& tensor, const std::vector<float>& got, std::int64_t width);
  // Compares bytes that lie in a file beside the tensors.
  void compare_bytes(const std::string& what, const std::vector<std::uint8_t>& ref, const std::vector<std::uint8_t>& got);
  // Compares a count that may be off by a part of itself.
  void compare_count(const std::string& what, double got, double ref, double allowed);
  // Not compared on purpose; prints why.
  void skip(const std::string& tensor, const std::string& why);
  // Case-wide overrides of the tolerance.
  void set_tolerance(double tolerance) { tolerance_ = tolerance; }
  // That of a network in half precision; no change in full precision, and what 8 bits add in those.
  void relax(double half);
  [[nodiscard]] double tolerance() const { return tolerance_; }
  void set_exact_ignored(bool ignored) { ignore_exact_ = ignored; }

  // Tensors nobody looked at count as not implemented.
  void finish();

 private:
  template <class V>
  [[nodiscard]] std::vector<V> numbers(const std::string& tensor) {
    const std::vector<double> values = input(tensor).to_doubles();
    std::vector<V> out(values.size());
    std::transform(values.begin(), values.end(), out.begin(), [](double v) { return static_cast<V>(v); });
    return out;
  }
  void compare_values(const std::string& tensor, const std::vector<double>& got);

  std::filesystem::path folder_;
  std::string name_;
  nlohmann::json spec_;
  Precision precision_;
  Tally& tally_;
  SafetensorsFile file_;
  std::optional<Manifest> manifest_;
  std::set<std::string> seen_;
  double tolerance_;
  bool ignore_exact_ = false;
};

// Keeps what a forward pass shows, as float32 rows.
template <class Dev>
class Recorder final : public Probe<Dev> {
 public:
  struct Record {
    std::vector<float> values;
    std::int64_t channels = 0;
  };
  void see(const std::string& name, Queue<Dev>& queue, View<Dev, const float, 2> value) override {
    keep<float>(name, queue, value);
  }
  void see(const std::string& name, Queue<Dev>& queue, View<Dev, const half, 2> value) override {
    keep<half>(name, queue, value);
  }
  // Compares the golden tensors PREFIX.NAME and PREFIX.NAME.rowsK with the records.
  void compare(Case& c, const std::string& prefix) const;
  [[nodiscard]] const std::map<std::string, Record>& records() const { return records_; }

 private:
  template <class E>
  void keep(const std::string& name, Queue<Dev>& queue, View<Dev, const E, 2> value) {
    const View<Dev, const E, 2> dense = value;
    require(dense.contiguous(), "Recorder", name, " is not contiguous");
    std::vector<E> raw(static_cast<std::size_t>(value.size()));
    download_bytes(queue, value.data(), raw.data(), raw.size() * sizeof(E));
    Record& r = records_[name];
    r.channels = value.extent(1);
    r.values.resize(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if constexpr (std::is_same_v<E, half>) {
        r.values[i] = to_float(raw[i]);
      } else {
        r.values[i] = raw[i];
      }
    }
  }
  std::map<std::string, Record> records_;
};

// Batch elements of coordinates [rows * 4] that are grouped by them.
[[nodiscard]] inline std::int64_t batch_of(const std::vector<std::int32_t>& coords) {
  return coords.size() < 4 ? 1 : std::int64_t{coords[coords.size() - 4]} + 1;
}

// What every case of a device runs with.
template <class Dev>
struct Bench {
  explicit Bench(int ordinal) : queue(ordinal), arena(kBytes, ordinal, "golden scratch") { queue.use(&arena); }
  static constexpr std::size_t kBytes = std::size_t{3} << 30U;
  Queue<Dev> queue;
  Arena<Dev> arena;

  template <class E, int Rank>
  [[nodiscard]] View<Dev, E, Rank> put(const std::vector<E>& values, const Extents<Rank>& extents) {
    auto view = arena.template take<E, Rank>(extents);
    require(view.size() == static_cast<std::int64_t>(values.size()), "Bench::put", values.size(), " values for ", view.size());
    upload_bytes(queue, values.data(), view.data(), values.size() * sizeof(E));
    return view;
  }
  template <class V>
  [[nodiscard]] auto get(V view) {
    std::vector<std::remove_const_t<typename V::element>> host(static_cast<std::size_t>(view.size()));
    download_bytes(queue, view.data(), host.data(), host.size() * sizeof(host[0]));
    return host;
  }
};

// Results of networks in either type.
[[nodiscard]] inline std::vector<float> widen(const std::vector<float>& v) { return v; }
[[nodiscard]] inline std::vector<float> widen(const std::vector<half>& v) {
  std::vector<float> out(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) out[i] = to_float(v[i]);
  return out;
}
template <class T>
[[nodiscard]] std::vector<T> narrow(const std::vector<float>& v) {
  if constexpr (std::is_same_v<T, half>) {
    std::vector<half> out(v.size());
    for (std::size_t i = 0; i < v.size(); ++i) out[i] = to_half(v[i]);
    return out;
  } else {
    return v;
  }
}

struct RunOptions {
  std::filesystem::path folder;
  std::vector<std::string> only;  // case names; empty means all
  bool large = false;             // the full-size forwards beside the cases
  bool renders = false;           // the images of gaussian_render/ and mesh_raster/ instead of the cases
  int ordinal = 0;
  Precision precision = Precision::full;
};

// The families of cases. Each returns false when the case is none of its own.
bool run_host_case(Case& c);  // rng, preprocess
// Compares the voxels of the case's mesh, and returns their coordinates for so many samples.
std::vector<std::int32_t> voxels_of_mesh(Case& c, Voxels& voxels, std::int32_t samples);
template <class Dev, class T>
bool run_op_case(Bench<Dev>& bench, Case& c);  // embeddings, norms, sparse_ops, sparse_attention
template <class Dev, class T>
bool run_flow_case(Bench<Dev>& bench, Case& c);  // ss_flow*, slat_flow*, text_flow*, *_sampler*, multi_image
template <class Dev, class T>
bool run_model_case(Bench<Dev>& bench, Case& c);  // ss_decoder*, ss_encoder, gs, rf, mesh decoders, dinov2
template <class Dev, class T>
bool run_surface_case(Bench<Dev>& bench, Case& c);  // flexi_*
template <class Dev, class T>
bool run_matting_case(Bench<Dev>& bench, Case& c);  // u2net*, isnet*, onnx_ops, rembg_*, chain
template <class Dev, class T>
bool run_text_case(Bench<Dev>& bench, Case& c);  // tokenizer*, text_tower*, clip_text*, voxelize*
template <class Dev, class T>
bool run_end_to_end_case(Bench<Dev>& bench, Case& c);  // end_to_end*, text_end_to_end*, text_variant*
template <class Dev, class T>
void run_large(Bench<Dev>& bench, const RunOptions& options, Tally& tally);
template <class Dev>
void run_renders(Queue<Dev>& queue, const RunOptions& options, Tally& tally);
template <class Dev>
void run_mesh_renders(Queue<Dev>& queue, const RunOptions& options, Tally& tally);

// The safetensors files of a folder in the order of their names; none where there is no such folder.
[[nodiscard]] std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder);

}  // namespace espalier::golden
