#include "synth.h"

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "parallel/parallel_for.h"

namespace espalier::golden {

using nlohmann::json;

namespace {

bool ends_with(const std::string& s, const std::string& tail) {
  return s.size() >= tail.size() && s.compare(s.size() - tail.size(), tail.size(), tail) == 0;
}

// Position embedding of a cubic grid, x slowest; as real checkpoints store it.
std::vector<float> grid_positions(int side, int channels) {
  const int f = channels / 3 / 2;
  std::vector<float> out(static_cast<std::size_t>(side) * side * side * channels, 0.0F);
  std::size_t row = 0;
  for (int x = 0; x < side; ++x) {
    for (int y = 0; y < side; ++y) {
      for (int z = 0; z < side; ++z, ++row) {
        float* to = out.data() + row * static_cast<std::size_t>(channels);
        for (const int c : {x, y, z}) {
          for (int i = 0; i < f; ++i) {
            const float angle = static_cast<float>(c) * static_cast<float>(1.0 / std::pow(10000.0, static_cast<double>(i) / f));
            to[i] = std::sin(angle);
            to[f + i] = std::cos(angle);
          }
          to += 2 * f;
        }
      }
    }
  }
  return out;
}

double radical_inverse(int base, int n) {
  double value = 0.0;
  double weight = 1.0 / base;
  for (; n != 0; n /= base, weight /= base) value += n % base * weight;
  return value;
}

std::vector<float> gaussian_offsets(int count, double voxel_size) {
  std::vector<float> out;
  for (int i = 0; i < count; ++i) {
    for (const double p : {static_cast<double>(i) / count, radical_inverse(2, i), radical_inverse(3, i)}) {
      out.push_back(static_cast<float>(std::atanh((p * 2 - 1) / voxel_size)));
    }
  }
  return out;
}

}  // namespace

std::vector<float> unit_values(const std::string& seed, const std::string& name, std::int64_t count) {
  return hashed_values(seed, name, count, std::sqrt(3.0), 0.0);
}

SyntheticTensors::SyntheticTensors(std::string seed, const json& tensors) : seed_(std::move(seed)), specs_(tensors) {
  for (const auto& [name, spec] : tensors.items()) {
    TensorEntry e;
    e.extents = spec.at("shape").get<std::vector<std::int64_t>>();
    if (!parse_dtype(spec.value("dtype", "F32"), e.dtype)) fail(ErrorCode::format, seed_, ": ", name, ": unknown dtype");
    e.bytes = static_cast<std::size_t>(checked_size(e.extents)) * size_of(e.dtype);
    entries_[name] = std::move(e);
  }
}

std::vector<float> SyntheticTensors::values(const std::string& name, const json& spec, const TensorEntry& entry) const {
  const std::string fn = spec.value("fn", "");
  if (fn == "grid_ape") return grid_positions(spec["fn_args"][0].get<int>(), spec["fn_args"][1].get<int>());
  if (fn == "gaussian_offsets") return gaussian_offsets(spec["fn_args"][0].get<int>(), spec["fn_args"][1].get<double>());
  if (!fn.empty()) fail(ErrorCode::unsupported, seed_, ": ", name, ": unknown rule ", fn);
  const ValueRange range = customary_range(name, entry.extents);
  return hashed_values(seed_, name, checked_size(entry.extents), spec.value("a", range.amplitude),
                       spec.value("c", range.centre));
}

TensorEntry SyntheticTensors::read(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) fail(ErrorCode::not_found, seed_, ": no tensor ", name);
  TensorEntry entry = it->second;
  const std::vector<float> v = values(name, specs_.at(name), entry);
  require(static_cast<std::int64_t>(v.size()) == checked_size(entry.extents), "SyntheticTensors::read", name, " has ", v.size(),
          " values");
  buffer_.resize(entry.bytes);
  if (entry.dtype == DType::f32) {
    std::memcpy(buffer_.data(), v.data(), entry.bytes);
  } else if (entry.dtype == DType::f16) {
    auto* to = reinterpret_cast<half*>(buffer_.data());
    parallel_for(static_cast<std::int64_t>(v.size()), 1 << 16,
                 [&](std::int64_t i) { to[i] = to_half(v[static_cast<std::size_t>(i)]); });
  } else {
    fail(ErrorCode::unsupported, seed_, ": ", name, ": synthetic tensors are F32 or F16");
  }
  entry.data = buffer_.data();
  return entry;
}

Manifest::Manifest(const std::filesystem::path& file) : where_(file.string()) {
  const auto bytes = read_file(file, std::uint64_t{64} << 20U);
  json_ = parse_json(where_, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

ModuleSource Manifest::module(const std::string& checkpoint) const {
  for (const auto& [path, entry] : json_.at("checkpoints").items()) {
    if (path != checkpoint && !ends_with(path, "/" + checkpoint)) continue;
    ModuleSource m;
    read_module_json(where_ + ": " + path, entry.at("json"), m);
    const std::string base = path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
    m.tensors = std::make_shared<SyntheticTensors>(json_.at("seed").get<std::string>() + "/" + base, entry.at("tensors"));
    return m;
  }
  fail(ErrorCode::not_found, where_, ": no checkpoint ", checkpoint);
}

Checkpoint Manifest::checkpoint() const {
  Checkpoint c = read_pipeline(where_, json_.at("pipeline"));
  c.folder = where_;
  for (const auto& [role_name, entry] : json_.at("pipeline").at("args").at("models").items()) {
    ModuleSource m = module(entry.get<std::string>());
    m.role = role_name;
    c.modules[role_name] = std::move(m);
  }
  // The text encoder has a name of its own here, whatever the pipeline calls it.
  std::string text_encoder;
  for (const auto& [path, entry] : json_.at("checkpoints").items()) {
    if (entry.at("json").value("name", "") == "CLIPTextModel") text_encoder = path;
  }
  const auto add = [&](const char* role, const std::string& name) {
    ModuleSource encoder = module(name);
    encoder.role = role;
    c.modules[role] = std::move(encoder);
  };
  if (!c.image_encoder.empty()) add(kImageEncoder, c.image_encoder);
  if (!c.text_encoder.empty()) add(kTextEncoder, text_encoder);
  return c;
}

}  // namespace espalier::golden
