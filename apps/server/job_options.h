// What a client may ask of a job, from JSON that is not trusted, and back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "espalier/options.h"
#include "http_message.h"
#include "job_store.h"

namespace espalier::server {

// The format of a result of this name; nothing for an unknown one.
[[nodiscard]] const ResultFormat* find_format(const std::string& name);

// How to finish the mesh for the files that are written. Nothing for a raw mesh; nobody waits for a texture that no file can
// hold.
[[nodiscard]] std::optional<FinishRequest> finish_request_of(const Options& options);
// Whether the finished mesh is the same; formats are another matter.
[[nodiscard]] bool same_mesh(const Options& a, const Options& b);

// The body of a PATCH: name, pinned, position and before. Throws HttpError 400 for anything else.
[[nodiscard]] JobChange parse_job_change(const std::string& text);

// The body of a PATCH of the queue: whether it is paused. Throws HttpError 400 for anything else.
[[nodiscard]] bool parse_queue_change(const std::string& text);

struct ExportOptions {
  Options values;
  bool turntable = false;  // values.video instead of files
};

// Whether names that options had before are taken: in what is stored, but not from clients, which are told the new ones.
enum class Spelling { present, any };

// Throw HttpError 400 that names the key for anything unknown, of another type, or outside of what the option table accepts.
// A seed that is absent or null is drawn.
[[nodiscard]] Options parse_generate_options(const std::string& text, Spelling spelling = Spelling::present);
// What is not given holds as it did for the job that is exported.
[[nodiscard]] ExportOptions parse_export_options(const std::string& text, const Options& of_parent,
                                                 Spelling spelling = Spelling::present);
// Whether an export is an asset of its own: another mesh than its parent's, and no video.
[[nodiscard]] bool is_asset(const ExportOptions& options, const Options& of_parent);
[[nodiscard]] Background parse_background(const std::string& text);

// With every value that holds, but for those that mean nothing to jobs of this kind; reading it back gives the same options.
[[nodiscard]] Json to_json(const Options& options, JobKind kind);
[[nodiscard]] Json to_json(const ExportOptions& options);

// The options of a command by the names of its JSON, and back; others stay as they are. Throws HttpError 400.
[[nodiscard]] Json to_json(const Options& options, OptionUse use, const std::vector<std::string>& names);
void read_options(const Json& json, OptionUse use, Options& options);

// At most 200 bytes of UTF-8 without control characters and without such as hide or turn text around.
[[nodiscard]] std::string clean_name(const std::string& text);

}  // namespace espalier::server
