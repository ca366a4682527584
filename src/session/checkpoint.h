// A checkpoint in the public TRELLIS layout: pipeline.json, ckpts/NAME.json and ckpts/NAME.safetensors (or .pth, .pt, .bin),
// unconverted.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/config.h"
#include "session/roles.h"
#include "weights/tensor_source.h"

namespace espalier {

// One network: configuration and tensors.
struct ModuleSource {
  std::string role;         // sparse_structure_flow_model, ...
  std::string class_name;   // without the prefix Elastic
  std::string where;        // file and class, for errors
  std::string public_name;  // of an encoder without a configuration of its own: dinov2_vitl14_reg
  nlohmann::json args;
  std::filesystem::path file;  // of the tensors; empty when the tensors are made up
  std::shared_ptr<const TensorSource> tensors;
  [[nodiscard]] Arguments arguments() const { return {where, args}; }
};

struct Checkpoint {
  std::filesystem::path folder;
  std::string where;                            // pipeline.json, for errors
  std::string pipeline;                         // class name in pipeline.json
  nlohmann::json args;                          // what the class is constructed with
  std::map<std::string, ModuleSource> modules;  // by role; the image encoder is "image_cond_model"
  std::string image_encoder;                    // its name in pipeline.json
  std::string text_encoder;                     // that of the text encoder, "text_cond_model"; empty: there is none
  std::filesystem::path tokenizer;              // folder of the text encoder's files; empty when the tensors are made up
  bool untrained = false;                       // some module's metadata says trained = no
  // espalier.description and espalier.full_model of pipeline.json: what the model is where that has to be said, and the name of
  // the one that it stands in for. Empty for most.
  std::string description, full_model;

  // The module of a role. Throws not_found naming the roles that exist.
  [[nodiscard]] const ModuleSource& module(const std::string& role) const;
};

// OWNER/REPO, as pipeline.json spells it -> the folder of that repository.
using RepositoryFolders = std::map<std::string, std::filesystem::path>;

// Reads pipeline.json and every module's JSON, and maps the tensor files. Entries of the form OWNER/REPO/ckpts/NAME are
// looked for in repositories[OWNER/REPO], FOLDER/OWNER/REPO, FOLDER/../REPO and FOLDER/../../OWNER/REPO. The image encoder is
// `image_encoder` when given, else NAME or, as published, NAME_pretrain (NAME4_pretrain where NAME ends with _reg) in
// FOLDER/ckpts or FOLDER, with any of the endings of weight files. The text encoder is `text_encoder` when given, else
// FOLDER/ckpts/clip*.json with its weights, else the `model` or `pytorch_model` of the repository OWNER/REPO that pipeline.json
// names, which is looked for like one of a module. Throws not_found, format or unsupported, naming the file.
struct EncoderFiles {
  std::filesystem::path image{}, text{};
};
[[nodiscard]] Checkpoint open_checkpoint(const std::filesystem::path& folder, const EncoderFiles& encoders = {},
                                         const RepositoryFolders& repositories = {});

// The same from a parsed pipeline.json; `open` returns the module of an entry (its class, arguments and tensors).
[[nodiscard]] Checkpoint read_pipeline(const std::string& where, const nlohmann::json& pipeline);

// Parses JSON text with a limit on size and depth. Throws format naming `where`.
[[nodiscard]] nlohmann::json parse_json(const std::string& where, std::string_view text);

// Members of an object. Throw format naming `where` for what is missing or of another type.
[[nodiscard]] const nlohmann::json& json_member(const std::string& where, const nlohmann::json& object, const char* key);
[[nodiscard]] std::string text_member(const std::string& where, const nlohmann::json& object, const char* key);

// Fills class_name, where and args from a module's JSON ({"name": ..., "args": {...}}).
void read_module_json(const std::string& where, const nlohmann::json& json, ModuleSource& module);

}  // namespace espalier
