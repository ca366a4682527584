// Reading of a checkpoint's JSON arguments. Every key is either honoured or refused by name.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"

namespace espalier {

class Arguments {
 public:
  // `where` names file and network in errors. Throws format unless `args` is an object.
  Arguments(std::string where, const nlohmann::json& args);

  [[nodiscard]] bool has(const std::string& key) const;      // present and not null
  [[nodiscard]] bool is_null(const std::string& key) const;  // present and null: what the reference calls None
  [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t lo, std::int64_t hi);
  [[nodiscard]] std::int64_t integer_or(const std::string& key, std::int64_t fallback, std::int64_t lo, std::int64_t hi);
  [[nodiscard]] double number(const std::string& key);
  [[nodiscard]] double number_or(const std::string& key, double fallback);
  [[nodiscard]] bool flag_or(const std::string& key, bool fallback);
  [[nodiscard]] std::string text_or(const std::string& key, const std::string& fallback);
  [[nodiscard]] std::vector<std::int64_t> integers(const std::string& key, std::int64_t lo, std::int64_t hi);
  [[nodiscard]] Arguments object(const std::string& key);
  // Accepts a key that has no effect on inference (use_checkpoint and the like).
  void ignore(const std::string& key);
  // Throws unsupported naming every key that nothing asked for.
  void finish() const;
  [[nodiscard]] const std::string& where() const { return where_; }

 private:
  const nlohmann::json& at(const std::string& key);

  std::string where_;
  const nlohmann::json* args_;
  std::set<std::string> used_;
};

// Width of a feed-forward layer, int(channels * ratio), and the number of heads with the reference's defaults.
struct TransformerShape {
  std::int64_t channels = 0, heads = 0, hidden = 0;
};
[[nodiscard]] TransformerShape transformer_shape(Arguments& args);

}  // namespace espalier
