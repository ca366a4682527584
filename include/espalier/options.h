// The option table: every option of the command, the server and a job, once. Flags, environment variables, the JSON of jobs,
// the schemas in openapi.json, the limits and defaults of the studio's page and docs/options.md are made from it, and the
// library checks requests against it. No range, default or name of a choice stands anywhere else.
//
// To add an option:
//   1. Add a field to the struct that it belongs to: FinishRequest, EditRequest, ViewRequest, SamplerRequest, SaveOptions
//   (espalier.h),
//      ServerOptions, TurntableOptions or Options (below). Its initial value is the default.
//   2. Add one row to the table in src/api/option_rows.cpp, such as
//        {"texture-size", finishing, made | jobs | environment, of(&FinishRequest::texture_size, 512, 4096),
//         "Texels on a side of the texture."},
//      The uses say where it exists: bits of commands (generate, serve...), of the JSON of jobs (jobs, exports, turntables),
//      and `environment` where a variable may set it too. A flag that is true by default becomes --no-NAME.
//      What it requires of other options, or of the files that are written, is a row in src/api/option_rules.cpp.
//   3. Run scripts/options, which writes docs/options.md, web/src/core/option_table.ts and the schemas in
//      apps/server/openapi.json anew. Tests compare them with the table.
//   A new choice of an enumeration is one more name in the list of its names in src/api/option_names.h, in the order of the
//   enumerators. A name that changes stays readable: list it under `.old` of the row, or in old_values().
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "espalier/espalier.h"
#include "espalier/models.h"

namespace espalier {

// ---- What options set

enum class VideoFormat { mp4, webp };
enum class LogFormat { none, json };
enum class ProgressStyle {
  automatic,  // a bar on a terminal, lines elsewhere
  json,       // one JSON object a line, for programs
};
enum class SurfaceChoice {
  automatic,  // solid; with raw_mesh reference
  solid,
  reference,
};

// Which of an asset's representations to decode. None set: those that the output files hold.
struct Decoded {
  bool mesh = false;
  bool gaussians = false;
  bool radiance_field = false;
  [[nodiscard]] bool any() const { return mesh || gaussians || radiance_field; }
};

enum class Shell { bash, zsh, fish };

// What belongs to the server alone.
struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 7860;               // 0: one that is free
  std::filesystem::path data{};  // folder of jobs; empty: below data_home or home
  // Processes that run the jobs: a number, or "auto" for one on each GPU; empty: this process runs them.
  std::string workers{};
  bool rebuild = false;            // make the database again from the records in the jobs' folders
  double keep_alive_minutes = 15;  // without a job, until the weights leave memory; 0: after every job
  int max_queue = 200;             // jobs that wait
  std::uint64_t max_upload_bytes = std::uint64_t{64} << 20U;
  int max_voxels = 65536;                      // of a latent that is sent
  double keep_days = 0;                        // ended jobs go when they are older; 0: never
  std::uint64_t keep_bytes = 0;                // the oldest ended jobs go when all are larger; 0: never
  std::string api_key{};                       // empty: none is asked for
  std::filesystem::path keys{};                // file of keys of people; empty: none
  bool no_auth = false;                        // let everybody in that can reach a wider address
  std::vector<std::string> allowed_origins{};  // of pages of other servers that may use this one
  double client_seconds = 20;                  // patience with a slow client
  double max_wait_seconds = 1800;              // of a request that is answered with its asset
  LogFormat log = LogFormat::none;             // of jobs, on standard error
  std::vector<std::string> webhook_hosts{};    // HOST or HOST:PORT that jobs may send webhooks to
  std::string webhook_secret{};                // that webhooks are signed with
  bool webhook_private = false;                // webhooks may go to this machine and to private networks
  double webhook_retry_seconds = 5;            // until a webhook that was not taken is sent again the first time
  // Of a fleet, which has its jobs in Redis.
  std::string queue{};           // redis:// or rediss://, perhaps with a password; empty: no fleet
  std::string queue_password{};  // instead of the one in the address; empty: that
  std::string results{};         // folder that all share, or s3://BUCKET/PREFIX
  std::string s3_endpoint{};     // https://HOST of the bucket
  std::string s3_region = "us-east-1";
  std::string s3_access_key{}, s3_secret_key{};
  double lease_seconds = 30;  // after which the job of a worker that is silent is another's
  int max_batch = 1;          // jobs that are sampled together
  int max_wait_ms = 50;       // that a job waits for others to be sampled with
};

// A video of a job's asset, as the JSON of a job asks for it.
struct TurntableOptions {
  VideoFormat format = VideoFormat::mp4;
  RenderStyle style = RenderStyle::automatic;
  double seconds = 4.0;
  int size = 512;  // pixels on a side
};

// What belongs to espalier batch alone.
struct BatchOptions {
  std::filesystem::path list{};  // a folder of images, or a CSV file
  std::filesystem::path out{};   // folder of results and manifest
  std::string server{};          // its address; empty: this process does the work
  std::string api_key{};         // that the server asks for
  bool retry = false;            // do again what failed before
  int in_flight = 4;             // jobs that the server has at once
};

// The values of all options. A command, or a job of the server, reads those that its rows of the table set.
struct Options {
  // Files.
  std::vector<std::filesystem::path> images{};
  bool views_of_one = false;                    // several images are views of one object; else each becomes an asset
  std::filesystem::path out_dir{};              // for the outputs that name no folder
  std::vector<std::filesystem::path> inputs{};  // of export, vary, edit, check, plan and render
  std::string prompt{}, negative_prompt{};
  std::filesystem::path prompts{};                    // list of prompts
  std::filesystem::path weights_in{}, weights_out{};  // of convert
  bool int8 = false;                                  // convert: matrices of transformer blocks in 8 bits
  std::vector<std::filesystem::path> outputs{};
  std::filesystem::path preview{}, turntable{}, sheet{}, save_latent{}, from_latent{}, save_asset{};
  std::filesystem::path keep_structure{};  // asset whose voxels a new one has
  Decoded decode{};
  std::vector<Background> background{Background::automatic};  // one for all images, or one for each
  bool no_preprocess = false;                                 // as Background::none
  std::vector<std::filesystem::path> masks{};                 // none, or one for each image
  std::string background_network{};                           // isnet, u2net, u2netp, or an .onnx file
  std::filesystem::path networks{};                           // folder of such networks; empty: where rembg has them
  std::string name{};                                         // of a job
  std::string webhook{};                                      // address that a job's end is reported to; empty: none
  std::string priority{};                                     // of a job in a fleet: high or normal; empty: normal
  std::vector<std::string> formats{"glb"};                    // that a job writes: names of result_formats()

  // Sampling.
  std::uint32_t seed = 42;
  std::vector<std::uint32_t> seeds{};  // one asset for each; empty: one of `seed`
  SamplerPreset preset = SamplerPreset::checkpoint;
  SamplerRequest structure{}, latent{};  // only what was asked for
  MultiImageMode multi_image = MultiImageMode::stochastic;

  // Mesh and texture.
  SurfaceChoice surface = SurfaceChoice::automatic;
  bool raw_mesh = false;
  bool keep_mesh = false, keep_uvs = false;  // of vary
  FinishRequest finish{};
  SaveOptions save{};

  EditRequest edit{};

  // How to draw.
  ViewRequest look{};
  std::optional<int> render_size{};  // pixels on a side of a view; unset: as usual for the kind of file
  std::vector<Viewpoint> views{};    // none: the default
  double seconds = TurntableRequest{}.seconds;
  int frames_per_second = TurntableRequest{}.frames_per_second;
  int sheet_views = SheetRequest{}.views;
  TurntableOptions video{};  // of a job

  // Checkpoint and machine.
  std::filesystem::path model{};  // empty: the checkpoint that ships with the program
  std::filesystem::path image_encoder{}, text_encoder{};
  std::string device = "auto";
  Precision precision = Precision::automatic;
  MemoryTier tier = MemoryTier::automatic;
  std::uint64_t vram_limit = 0;  // bytes; 0: what is free
  int max_batch = 1;             // assets of a command that are sampled together

  ServerOptions serve{};
  BatchOptions batch{};
  // Models that pull fetches and models lists.
  ModelSettings weights{};
  std::vector<std::string> model_names{};
  std::filesystem::path bundle{}, from_bundle{};
  std::filesystem::path folder{};  // of mcp: that its tools read and write in

  // Of key.
  std::vector<std::string> key_words{};  // "new" and a name
  std::vector<std::string> key_scopes{"submit", "read"};
  std::int64_t key_jobs_a_day = 0;  // 0: any number
  double key_queue_share = 1.0;

  std::string data_home{}, home{};  // of the environment, for the default of ServerOptions::data

  // Reports.
  std::string voxels = "12k";
  int repetitions = 5;
  std::vector<int> batches{};  // sizes of batches that bench times; empty: stages of one asset
  bool quick = false;
  ProgressStyle progress = ProgressStyle::automatic;
  Shell shell = Shell::bash;  // of completion
  bool json = false;
  bool quiet = false;
  bool strict = false;             // of files of other programs: LoadOptions::strict
  bool print_ready = false;        // of check: fail for what cannot be printed
  std::filesystem::path config{};  // a configuration file; empty: the one in config_home or home, if there is one
  std::string config_home{};       // of the environment
  bool no_color = false;

  // Names of the options that the request itself gives, for the rules between options (espalier/option_rules.h). What is not
  // named holds by default: by a variable, a configuration file, or an earlier job.
  std::set<std::string> asked{};
};

// ---- The table

// Where an option exists, as bits.
enum OptionUse : unsigned {
  use_generate = 1U << 0U,
  use_preprocess = 1U << 1U,
  use_info = 1U << 2U,
  use_bench = 1U << 3U,
  use_doctor = 1U << 4U,
  use_export = 1U << 5U,
  use_check = 1U << 6U,
  use_render = 1U << 7U,
  use_serve = 1U << 8U,
  use_convert = 1U << 9U,
  use_pull = 1U << 10U,
  use_models = 1U << 11U,
  use_batch = 1U << 12U,  // also what both generate and a job of images take
  use_vary = 1U << 13U,
  use_completion = 1U << 14U,
  use_plan = 1U << 15U,
  use_edit = 1U << 16U,
  use_mcp = 1U << 17U,
  use_key = 1U << 18U,
  use_worker = 1U << 19U,
  use_jobs = 1U << 24U,        // JSON of a new job
  use_exports = 1U << 25U,     // JSON of an export of a job
  use_turntables = 1U << 26U,  // JSON of a turntable of a job
  use_environment = 1U << 31U,
};

enum class OptionGroup { files, finishing, views, sampling, machine, weights, server, reports };
// The heading in help and documentation.
[[nodiscard]] ESPALIER_API std::string_view title_of(OptionGroup group);

enum class OptionType {
  flag,     // bool
  whole,    // std::int64_t
  number,   // double
  numbers,  // std::vector<double>
  choice,   // std::string
  choices,  // std::vector<std::string>, one or more
  text,     // std::string; a path is one too
  texts,    // std::vector<std::string>
};

// A value on its way between text or JSON and a field; std::monostate where nothing is set.
using OptionValue =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<double>, std::vector<std::string>>;

// What a row holds about its field. Filled by the templates of src/api/option_fields.h.
struct OptionField {
  OptionType type = OptionType::flag;
  double low = 0.0, high = 0.0;  // of whole, number and each of numbers
  std::size_t most = 1;          // of numbers, choices and texts: how many; 0: any number
  std::vector<std::string> choices{};
  bool unset = false;        // may be without a value: null in JSON
  bool one_for_all = false;  // of choices: JSON takes one name too, and names may come again
  std::string meta{};        // what help calls the value: N, FILE; empty for a flag
  std::string accept{};      // what is accepted, in words; may be empty
  // Changes nothing and returns false for a value of another type or out of range.
  std::function<bool(Options&, const OptionValue&)> set{};
  std::function<OptionValue(const Options&)> get{};
  // A value from what a person types; nothing for what cannot be one. Where it repeats, one more value for those so far.
  std::function<std::optional<OptionValue>(const std::string&)> parse{};
  std::function<std::string(const OptionValue&)> print{};  // for people; empty: as the value says
  bool repeats = false;                                    // on the command line
};

// What few rows need.
struct OptionExtras {
  std::string fallback{};          // what holds while nothing is set, in words, where the field's value does not say it
  std::string json{};              // key, with dots between nested objects; empty: the name with _ for -
  std::string letter{};            // short flag: "o"
  std::string variable{};          // environment variable; empty: ESPALIER_ and the flag in capitals
  std::vector<std::string> old{};  // names of flags that it had before, without dashes
  bool positional = false;         // of the command line: no flag
  bool nullable = false;           // JSON takes null as absent, though the field always has a value
  bool secret = false;             // not repeated in messages
  bool only_variable = false;      // no flag: only the environment says it
  std::string without{};           // help of --no-NAME: what holds then
  std::string unit{};              // of the JSON value, for documentation
};

struct Option {
  std::string name;  // "texture-size"
  OptionGroup group;
  unsigned uses;  // bits of OptionUse
  OptionField field;
  std::string help;
  OptionExtras extras{};

  [[nodiscard]] bool is_for(unsigned use) const { return (uses & use) != 0; }
  // "--no-clean" for a flag that is true by default, "-o,--output", "FILE" for a positional argument.
  [[nodiscard]] ESPALIER_API std::string flags() const;
  [[nodiscard]] ESPALIER_API std::string json() const;      // "texture_size"
  [[nodiscard]] ESPALIER_API std::string variable() const;  // "ESPALIER_TEXTURE_SIZE"; empty where none is read
  [[nodiscard]] ESPALIER_API std::string fallback() const;  // the default in words; may be empty
  // What JSON takes for it, in words: "a whole number from 512 to 4096".
  [[nodiscard]] ESPALIER_API std::string json_accept() const;
  [[nodiscard]] ESPALIER_API std::string description() const;  // help, range and default

  // Takes what a person typed; std::nullopt for `text` is a flag that is given. Old spellings are taken, and noted in
  // `notices`. Throws Error invalid_argument that begins with the text and says what is accepted.
  ESPALIER_API void set_text(Options& options, const std::optional<std::string>& text, std::vector<std::string>& notices) const;
};

[[nodiscard]] ESPALIER_API const std::vector<Option>& option_table();

// The present name of a value that was spelled differently before: "gaussian", "uv_checker". Nothing for all others.
[[nodiscard]] ESPALIER_API std::optional<std::string> renamed_value(const Option& option, std::string_view value);

// The value of an environment variable; empty where it is not set. Nothing else in the program reads the environment.
[[nodiscard]] ESPALIER_API std::string environment_value(const std::string& variable);
// All of them, for ModelSettings::variables.
[[nodiscard]] ESPALIER_API std::map<std::string, std::string> environment_variables();
// The variable that the option is read from: variable(), or that of a name which it had before where that one alone is set.
[[nodiscard]] ESPALIER_API std::string variable_in_use(const Option& option);

// ---- Names of choices

[[nodiscard]] ESPALIER_API std::string_view name_of(Precision value);
[[nodiscard]] ESPALIER_API std::string_view name_of(MemoryTier value);
[[nodiscard]] ESPALIER_API std::string_view name_of(Background value);
[[nodiscard]] ESPALIER_API std::string_view name_of(MultiImageMode value);
[[nodiscard]] ESPALIER_API std::string_view name_of(SamplerPreset value);
[[nodiscard]] ESPALIER_API std::string_view name_of(BakeMode value);
// What Request::surface becomes.
[[nodiscard]] ESPALIER_API SurfaceRule surface_of(const Options& options);
[[nodiscard]] ESPALIER_API std::string_view name_of(TextureFormat value);
[[nodiscard]] ESPALIER_API std::string_view name_of(MeshCompression value);
[[nodiscard]] ESPALIER_API std::string_view name_of(Origin value);
[[nodiscard]] ESPALIER_API std::string_view name_of(UpAxis value);
[[nodiscard]] ESPALIER_API std::string_view name_of(RenderStyle value);
[[nodiscard]] ESPALIER_API std::string_view name_of(VideoFormat value);

// A format that an asset is written in; the ending of the file's name says which.
struct ResultFormat {
  const char* name;  // "glb"
  const char* media_type;
  bool mesh;         // holds the mesh, else the Gaussians
  bool textured;     // can hold a texture
  bool single_file;  // nothing beside it; what a job may write
  bool free_up;      // SaveOptions::up may choose; else the format says which axis is up
};
// Longer names come before those that they end in.
[[nodiscard]] ESPALIER_API std::span<const ResultFormat> result_formats();

}  // namespace espalier
