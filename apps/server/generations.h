// POST /v1/3d/generations, an address that several local servers of 3D models have: one request, and its asset as the answer.
// Their bodies differ; what this server takes of them becomes the options of a job.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "http_message.h"

namespace espalier::server {

struct Generation {
  enum class Answer { file, url, base64 };

  std::string options;  // of the job, as POST /v1/jobs takes them
  std::string format;   // a name of result_formats()
  Answer answer = Answer::file;
};

// The members of a body beside image and mask.
[[nodiscard]] const std::vector<std::string>& generation_members();

// `members`: the JSON of those that came. `images`: how many images came; several are views of one object. Throws HttpError
// 400 that names the member.
[[nodiscard]] Generation read_generation(const std::map<std::string, std::string>& members, std::size_t images);

}  // namespace espalier::server
