// What was probably meant by a word that is not known.
#pragma once

#include <string>
#include <vector>

namespace espalier::cli {

// The nearest of `known`; empty when none is near.
[[nodiscard]] std::string nearest(const std::string& word, const std::vector<std::string>& known);

// "--seed" for arguments with an unknown "--sed", "generate" for an unknown first word; empty where nothing comes to mind.
[[nodiscard]] std::string suggestion_for(const std::vector<std::string>& arguments);

}  // namespace espalier::cli
