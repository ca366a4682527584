// What is said of a mesh or of Gaussians, for people and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "espalier/espalier.h"

namespace espalier::cli {

[[nodiscard]] std::string in_words(const MeshSummary& mesh);
// What a search through the whole mesh found; empty where none was made.
[[nodiscard]] std::string searched_in_words(const MeshSummary& mesh);
[[nodiscard]] nlohmann::ordered_json json_of(const MeshSummary& mesh);
[[nodiscard]] nlohmann::ordered_json json_of(const GaussianSummary& gaussians);

}  // namespace espalier::cli
