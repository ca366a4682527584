// The tools of espalier mcp: what they take, and what does their work.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "interrupt.h"
#include "mcp_wire.h"
#include "settings.h"

namespace espalier::cli {

// The files that a call of a tool writes: one for each of several formats.
struct ToolOutputs {
  std::vector<std::filesystem::path> paths;  // inside the folder of the tools
  std::vector<std::string> formats;          // of each: "glb"
};

struct GenerateCall {
  std::vector<std::filesystem::path> images;  // several: views of one object
  std::string prompt;                         // instead of images
  ToolOutputs outputs;
  std::filesystem::path save_asset;  // empty: not saved
  bool preview = true;               // answer with an image of the asset
  std::string options;               // the JSON of a job, with all of the above that a job has
};

struct ExportCall {
  std::filesystem::path asset;  // what is exported: a file, or, if that is empty,
  std::string job;              // a job of the server
  ToolOutputs outputs;
  std::string options;  // the JSON of an export
};

// How a call is watched. Callbacks run on the thread of the call.
struct ToolWatch {
  std::function<bool()> cancelled;
  std::function<void(double fraction, const std::string& message)> progress;
};

struct ToolResult {
  Json report;      // an object
  std::string png;  // bytes; empty: none
};

// Does the work of the tools. Functions throw Error, ServerFailure and UsageError; all but idle() may be called from several
// threads at a time.
class ToolBackend {
 public:
  virtual ~ToolBackend() = default;
  [[nodiscard]] virtual ToolResult generate(const GenerateCall& call, const ToolWatch& watch) = 0;
  [[nodiscard]] virtual ToolResult export_asset(const ExportCall& call, const ToolWatch& watch) = 0;
  // `job`: a job of the server to report on; empty: none.
  [[nodiscard]] virtual Json status(const std::string& job, const ToolWatch& watch) = 0;
  // How many calls of generate and export are worth being made at a time.
  [[nodiscard]] virtual int parallel() const = 0;
  // Called every few seconds while nothing is to be done.
  virtual void idle() = 0;
};
// In this process. `settings` and `interrupt` outlive it.
[[nodiscard]] std::unique_ptr<ToolBackend> backend_here(const Settings& settings, Interrupt& interrupt);
// On the server that the settings name; only files are exported here.
[[nodiscard]] std::unique_ptr<ToolBackend> backend_on_server(const Settings& settings, Interrupt& interrupt);

// An export of a file, which needs no server. The report names the files.
[[nodiscard]] ToolResult export_file(const Settings& settings, const ExportCall& call, Interrupt& interrupt,
                                     const ToolWatch& watch);
// The files that were written, for a report.
[[nodiscard]] Json json_of(const ToolOutputs& outputs);

// The list of tools, as tools/list answers it. `annotated`: with what versions of the protocol before 2025 do not know.
[[nodiscard]] Json tool_list(bool annotated);
[[nodiscard]] bool is_tool(const std::string& name);
// The arguments of a call. `folder` is canonical; every path has to lie inside of it, whatever links lead there. Throw Error
// invalid_argument that names the argument.
[[nodiscard]] GenerateCall generate_call(const Json& arguments, const std::filesystem::path& folder);
[[nodiscard]] ExportCall export_call(const Json& arguments, const std::filesystem::path& folder);
[[nodiscard]] std::string status_call(const Json& arguments);

}  // namespace espalier::cli
