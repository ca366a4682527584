#include "server/serve.h"

#include <cstdio>

#include "commands.h"
#include "espalier/models.h"
#include "interrupt.h"
#include "paths.h"

namespace espalier::cli {

namespace {

// Beside the one that is asked for: what ships with the program, and whatever espalier pull or other programs have fetched.
std::vector<server::ServedModel> other_models(const Settings& settings, const std::filesystem::path& served) {
  std::vector<server::ServedModel> others;
  for (const ModelHere& model : models_here(settings)) {
    std::error_code ignored;
    if (model.name == model_title(served) || std::filesystem::equivalent(model.location.checkpoint, served, ignored)) continue;
    others.push_back({model.name, pipeline_options(settings, model.location)});
  }
  return others;
}

void add_models(const Settings& settings, server::ServeOptions& options) {
  const ModelLocation found = find_checkpoint(settings);
  options.pipeline = pipeline_options(settings, found);
  options.others = other_models(settings, found.checkpoint);
}

void warn(const std::string& text) { std::fprintf(stderr, "espalier: %s\n", text.c_str()); }

}  // namespace

int serve(const Settings& settings) {
  server::ServeOptions options{settings.serve, {}};
  if (!server::is_loopback(options.host) && options.api_key.empty() && options.keys.empty() && !options.no_auth) {
    throw UsageError("--host " + options.host +
                     " can be reached from other machines; set a key with --api-key or ESPALIER_API_KEY, or keys with --keys, "
                     "or let everybody in with "
                     "--no-auth");
  }
  if (options.data.empty()) options.data = server::default_data_folder(settings.data_home, settings.home);
  if (options.queue.empty()) add_models(settings, options);
  options.background_network = background_network_of(settings);
  Interrupt interrupt;
  server::serve(
      options, [&] { return interrupt.requested(); },
      [](const std::string& address) {
        std::printf("Espalier listens at %s (Ctrl-C ends it)\n", address.c_str());
        std::fflush(stdout);
      },
      warn);
  return 0;
}

int worker(const Settings& settings) {
  server::ServeOptions options{settings.serve, {}};
  if (options.queue.empty()) {
    throw UsageError(
        "worker takes jobs from the Redis of --queue; the workers of a single server are started by espalier serve --workers");
  }
  if (options.data.empty()) options.data = server::default_data_folder(settings.data_home, settings.home);
  add_models(settings, options);
  options.background_network = background_network_of(settings);
  Interrupt interrupt;
  server::work_for_fleet(
      options, [&] { return interrupt.requested(); },
      [](const std::string& name) {
        std::printf("Espalier works as %s (Ctrl-C ends it)\n", name.c_str());
        std::fflush(stdout);
      },
      warn);
  return 0;
}

int key(const Settings& settings) {
  if (settings.key_words.size() != 2 || settings.key_words.front() != "new")
    throw UsageError("key takes the word new and a name: espalier key new NAME");
  const server::NewKey made =
      server::new_key(settings.key_words.back(), settings.key_scopes, settings.key_jobs_a_day, settings.key_queue_share);
  // So that the line can be appended to the file while the key stays on the terminal.
  std::fprintf(stderr, "espalier: the key, which is shown this once:\n%s\n", made.key.c_str());
  std::printf("%s\n", made.line.c_str());
  return 0;
}

}  // namespace espalier::cli
