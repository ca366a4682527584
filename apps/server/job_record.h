// A job as a small file in its own folder, beside the database: from these files the database can be made again.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "job_store.h"

namespace espalier::server {

inline constexpr const char* kRecordFile = "job.json";

// A job with what only the store knows of it.
struct JobRecord {
  Job job;
  std::int64_t revision = 0;  // rises with every change
  std::int64_t attempts = 0;  // times that the job was begun
};

// As the file has it, and back; nothing for what is damaged or of another version. Workers get their jobs in this form.
[[nodiscard]] Json to_json(const JobRecord& record);
[[nodiscard]] std::optional<JobRecord> record_of(const Json& json);
[[nodiscard]] Json to_json(const JobFile& file);
[[nodiscard]] std::optional<JobFile> file_of(const Json& json);

// Replaces the file in the job's folder; nobody ever sees half of it. `to_disk`: wait until the disk has it. Throws
// StorageError, also when the folder is none or is a link.
void write_record(const std::filesystem::path& folder, const JobRecord& record, bool to_disk);

// Nothing when there is no record, when it is damaged, or when it is not that of this folder.
[[nodiscard]] std::optional<JobRecord> read_record(const std::filesystem::path& folder);

// Names that the server gives while it writes; whatever has one is half of something.
[[nodiscard]] bool is_temporary(const std::string& file_name);

}  // namespace espalier::server
