// What is made from the option table for people and for other languages; scripts/options writes the files.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "settings.h"

namespace espalier::cli {

// "markdown": docs/options.md. "page": web/src/core/option_table.ts. "schemas": the schemas of options in
// apps/server/openapi.json, as they stand there.
[[nodiscard]] std::vector<std::string> option_documents();
// Throws UsageError for another name.
[[nodiscard]] std::string option_document(const std::string& name);
// The JSON Schema of the options of jobs or exports, without references.
[[nodiscard]] nlohmann::ordered_json option_schema(OptionUse use);

}  // namespace espalier::cli
