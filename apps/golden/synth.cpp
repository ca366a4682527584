#include "synth.h"

#include <cmath>
#include <cstring>

#include "base/file.h"
#include "parallel/parallel_for.h"

namespace espalier::golden {

using nlohmann::json;

namespace {

std::uint64_t fnv1a64(const std::string& text) {
  std::uint64_t h = 0xCBF29CE484222325ULL;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return h;
}

double hashed_unit(std::uint64_t h, std::uint64_t i) {
  std::uint64_t z = h + (i + 1) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ z >> 27U) * 0x94D049BB133111EBULL;
  z ^= z >> 31U;
  return static_cast<double>(z >> 40U) * 0x1.0p-24;
}

bool ends_with(const std::string& s, const std::string& tail) {
  return s.size() >= tail.size() && s.compare(s.size() - tail.size(), tail.size(), tail) == 0;
}
bool contains(const std::string& s, const char* part) { return s.find(part) != std::string::npos; }

// Amplitude and centre of a tensor by its role.
std::pair<double, double> role(const std::string& name, const std::vector<std::int64_t>& shape) {
  const std::string last = name.substr(name.rfind('.') == std::string::npos ? 0 : name.rfind('.') + 1);
  double fan_in = 1.0;
  for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= static_cast<double>(shape[i]);
  if (last == "gamma") return {0.1, 1.0};
  const bool table = last == "pos_embed" || last == "cls_token" || last == "register_tokens" || last == "mask_token" ||
                     contains(name, "embedding.weight");
  if (table && !contains(name, "patch_embed")) return {0.02, 0.0};
  if (last == "bias") return {0.05, 0.0};
  if (shape.size() == 1) return {0.1, 1.0};
  if (contains(name, "adaLN_modulation")) return {0.5 * std::sqrt(3.0 / fan_in), 0.0};
  return {std::sqrt(3.0 / fan_in), 0.0};
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

std::vector<float> hashed_values(const std::string& seed, const std::string& name, std::int64_t count, double a, double c) {
  const std::uint64_t h = fnv1a64(seed + ":" + name);
  std::vector<float> out(static_cast<std::size_t>(count));
  parallel_ranges(count, 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      out[static_cast<std::size_t>(i)] = static_cast<float>((2.0 * hashed_unit(h, static_cast<std::uint64_t>(i)) - 1.0) * a + c);
    }
  });
  return out;
}

std::vector<float> unit_values(const std::string& seed, const std::string& name, std::int64_t count) {
  return hashed_values(seed, name, count, std::sqrt(3.0), 0.0);
}

MadeUpTensors::MadeUpTensors(std::string seed, const json& tensors) : seed_(std::move(seed)), specs_(tensors) {
  for (const auto& [name, spec] : tensors.items()) {
    TensorEntry e;
    e.extents = spec.at("shape").get<std::vector<std::int64_t>>();
    if (!parse_dtype(spec.value("dtype", "F32"), e.dtype)) fail(ErrorCode::format, seed_, ": ", name, ": unknown dtype");
    e.bytes = static_cast<std::size_t>(checked_size(e.extents)) * size_of(e.dtype);
    entries_[name] = std::move(e);
  }
}

std::vector<float> MadeUpTensors::values(const std::string& name, const json& spec, const TensorEntry& entry) const {
  const std::string fn = spec.value("fn", "");
  if (fn == "grid_ape") return grid_positions(spec["fn_args"][0].get<int>(), spec["fn_args"][1].get<int>());
  if (fn == "gaussian_offsets") return gaussian_offsets(spec["fn_args"][0].get<int>(), spec["fn_args"][1].get<double>());
  if (!fn.empty()) fail(ErrorCode::unsupported, seed_, ": ", name, ": unknown rule ", fn);
  auto [a, c] = role(name, entry.extents);
  a = spec.value("a", a);
  c = spec.value("c", c);
  return hashed_values(seed_, name, checked_size(entry.extents), a, c);
}

TensorEntry MadeUpTensors::read(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) fail(ErrorCode::not_found, seed_, ": no tensor ", name);
  TensorEntry entry = it->second;
  const std::vector<float> v = values(name, specs_.at(name), entry);
  require(static_cast<std::int64_t>(v.size()) == checked_size(entry.extents), "MadeUpTensors::read", name, " has ", v.size(), " values");
  buffer_.resize(entry.bytes);
  if (entry.dtype == DType::f32) {
    std::memcpy(buffer_.data(), v.data(), entry.bytes);
  } else if (entry.dtype == DType::f16) {
    auto* to = reinterpret_cast<half*>(buffer_.data());
    parallel_for(static_cast<std::int64_t>(v.size()), 1 << 16, [&](std::int64_t i) { to[i] = to_half(v[static_cast<std::size_t>(i)]); });
  } else {
    fail(ErrorCode::unsupported, seed_, ": ", name, ": made-up tensors are F32 or F16");
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
    m.tensors = std::make_shared<MadeUpTensors>(json_.at("seed").get<std::string>() + "/" + base, entry.at("tensors"));
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
  ModuleSource encoder = module(c.image_encoder);
  encoder.role = kImageEncoder;
  c.modules[kImageEncoder] = std::move(encoder);
  return c;
}

}  // namespace espalier::golden
