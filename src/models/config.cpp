#include "models/config.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace espalier {

using nlohmann::json;

Arguments::Arguments(std::string where, const json& args) : where_(std::move(where)), args_(&args) {
  if (!args.is_object()) fail(ErrorCode::format, where_, ": expected an object of arguments, found ", args.type_name());
}

bool Arguments::has(const std::string& key) const { return args_->contains(key) && !(*args_)[key].is_null(); }

bool Arguments::is_null(const std::string& key) const { return args_->contains(key) && (*args_)[key].is_null(); }

const json& Arguments::at(const std::string& key) {
  used_.insert(key);
  if (!has(key)) fail(ErrorCode::format, where_, ": argument ", key, " is missing");
  return (*args_)[key];
}

std::int64_t Arguments::integer(const std::string& key, std::int64_t lo, std::int64_t hi) {
  const json& v = at(key);
  const bool whole = v.is_number_integer() || (v.is_number_float() && std::floor(v.get<double>()) == v.get<double>());
  if (!whole) fail(ErrorCode::format, where_, ": argument ", key, ": expected a whole number, found ", v.dump());
  const double n = v.get<double>();
  if (n < static_cast<double>(lo) || n > static_cast<double>(hi)) {
    fail(ErrorCode::format, where_, ": argument ", key, " = ", v.dump(), " is not in ", lo, " ... ", hi);
  }
  return v.is_number_integer() ? v.get<std::int64_t>() : static_cast<std::int64_t>(n);
}

std::int64_t Arguments::integer_or(const std::string& key, std::int64_t fallback, std::int64_t lo, std::int64_t hi) {
  used_.insert(key);
  return has(key) ? integer(key, lo, hi) : fallback;
}

double Arguments::number(const std::string& key) {
  const json& v = at(key);
  if (!v.is_number() || !std::isfinite(v.get<double>())) {
    fail(ErrorCode::format, where_, ": argument ", key, ": expected a number, found ", v.dump());
  }
  return v.get<double>();
}

double Arguments::number_or(const std::string& key, double fallback) {
  used_.insert(key);
  return has(key) ? number(key) : fallback;
}

bool Arguments::flag_or(const std::string& key, bool fallback) {
  used_.insert(key);
  if (!has(key)) return fallback;
  const json& v = at(key);
  if (!v.is_boolean()) fail(ErrorCode::format, where_, ": argument ", key, ": expected true or false, found ", v.dump());
  return v.get<bool>();
}

std::string Arguments::text_or(const std::string& key, const std::string& fallback) {
  used_.insert(key);
  if (!has(key)) return fallback;
  const json& v = at(key);
  if (!v.is_string()) fail(ErrorCode::format, where_, ": argument ", key, ": expected a string, found ", v.dump());
  return v.get<std::string>();
}

std::vector<std::int64_t> Arguments::integers(const std::string& key, std::int64_t lo, std::int64_t hi) {
  const json& v = at(key);
  if (!v.is_array() || v.empty() || v.size() > 64) {
    fail(ErrorCode::format, where_, ": argument ", key, ": expected a list of 1 to 64 whole numbers, found ", v.dump());
  }
  std::vector<std::int64_t> out;
  for (const json& e : v) {
    if (!e.is_number_integer() || e.get<double>() < static_cast<double>(lo) || e.get<double>() > static_cast<double>(hi)) {
      fail(ErrorCode::format, where_, ": argument ", key, ": ", e.dump(), " is not a whole number in ", lo, " ... ", hi);
    }
    out.push_back(e.get<std::int64_t>());
  }
  return out;
}

Arguments Arguments::object(const std::string& key) { return {where_ + ": " + key, at(key)}; }

void Arguments::ignore(const std::string& key) { used_.insert(key); }

void Arguments::finish() const {
  for (const auto& [key, value] : args_->items()) {
    if (used_.count(key) == 0) {
      fail(ErrorCode::unsupported, where_, ": argument ", key, " = ", value.dump(), " is not known to this version");
    }
  }
}

TransformerShape transformer_shape(Arguments& args) {
  TransformerShape shape;
  shape.channels = args.integer("model_channels", 1, 65536);
  const std::int64_t head_channels = args.integer_or("num_head_channels", 64, 1, 65536);
  shape.heads = args.integer_or("num_heads", 0, 0, 4096);
  if (shape.heads == 0) shape.heads = shape.channels / head_channels;
  if (shape.heads == 0 || shape.channels % shape.heads != 0) {
    fail(ErrorCode::format, args.where(), ": model_channels = ", shape.channels,
         " is not a multiple of num_heads = ", shape.heads);
  }
  if (shape.channels / shape.heads > 256) {
    fail(ErrorCode::unsupported, args.where(), ": attention heads of ", shape.channels / shape.heads, " channels",
         hint("256 is the most"));
  }
  const double ratio = args.number_or("mlp_ratio", 4.0);
  if (!(ratio > 0.0) || ratio > 64.0) fail(ErrorCode::format, args.where(), ": mlp_ratio = ", ratio, " is not in (0, 64]");
  shape.hidden = static_cast<std::int64_t>(static_cast<double>(shape.channels) * ratio);
  return shape;
}

}  // namespace espalier
