// "-" as the name of a file: standard input for images and lists of prompts, standard output for what is written.
#pragma once

#include <filesystem>

#include "settings.h"

namespace espalier::cli {

// Puts temporary files in the place of "-" in the settings of a command, and standard output's with the ending that "-.ply"
// names, else `ending`. Standard input is read at once.
class StandardStreams {
 public:
  // Throws UsageError for what is taken twice, for a terminal as the place of an asset, and beside --json.
  StandardStreams(Settings& settings, const char* ending);
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;
  ~StandardStreams();

  // Prints what was written. To be called once the command has ended well.
  void deliver() const;

 private:
  [[nodiscard]] std::filesystem::path folder();
  void take_input(std::filesystem::path& path);
  void take_output(Settings& settings, std::filesystem::path& path, const char* ending);

  std::filesystem::path folder_, input_, output_;
};

}  // namespace espalier::cli
