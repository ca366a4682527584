// The rows of the option table, by groups; option_table() joins them.
#pragma once

#include <vector>

#include "espalier/options.h"

namespace espalier {

[[nodiscard]] std::vector<Option> file_rows();
[[nodiscard]] std::vector<Option> foreground_rows();
[[nodiscard]] std::vector<Option> finishing_rows();
[[nodiscard]] std::vector<Option> view_rows();
[[nodiscard]] std::vector<Option> sampling_rows();
[[nodiscard]] std::vector<Option> machine_rows();
[[nodiscard]] std::vector<Option> weights_rows();
[[nodiscard]] std::vector<Option> server_rows();
[[nodiscard]] std::vector<Option> batch_rows();
[[nodiscard]] std::vector<Option> key_rows();
[[nodiscard]] std::vector<Option> report_rows();

}  // namespace espalier
