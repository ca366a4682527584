#include "server/serve.h"

#include <algorithm>
#include <cstdio>

#include "commands.h"
#include "espalier/models.h"
#include "interrupt.h"
#include "places.h"

namespace espalier::cli {

namespace {

// Beside the one that is asked for: what ships with the program, and whatever espalier pull or other programs have fetched.
std::vector<server::ServedModel> other_models(const Settings& settings, const std::filesystem::path& served) {
  std::vector<server::ServedModel> others;
  const auto add = [&](const ModelLocation& found) {
    std::error_code ignored;
    if (std::filesystem::equivalent(found.checkpoint, served, ignored)) return;
    server::ServedModel model{model_title(found.checkpoint), pipeline_options(settings, found)};
    const auto same = [&](const server::ServedModel& other) { return other.name == model.name; };
    if (model.name == model_title(served) || std::any_of(others.begin(), others.end(), same)) return;
    others.push_back(std::move(model));
  };
  const auto attempt = [&](const auto& find) {
    try {
      add(find());
    } catch (const Error&) {
      // Not a checkpoint, or not complete: espalier models says what is missing.
    }
  };
  Settings shipped = settings;
  shipped.model.clear();
  attempt([&] { return find_checkpoint(shipped); });
  for (const ModelState& state : list_models(settings.weights)) {
    if (state.missing_files == 0)
      attempt([&] {
        return find_model(state.name, settings.weights, !settings.image_encoder.empty() || !settings.text_encoder.empty());
      });
  }
  return others;
}

}  // namespace

int serve(const Settings& settings) {
  server::ServeOptions options{settings.serve, {}};
  if (!server::is_loopback(options.host) && options.api_key.empty() && !options.no_auth) {
    throw UsageError(
        "--host " + options.host +
        " can be reached from other machines; set a key with --api-key or ESPALIER_API_KEY, or let everybody in with "
        "--no-auth");
  }
  if (options.data.empty()) options.data = server::default_data_folder(settings.data_home, settings.home);
  const ModelLocation found = find_checkpoint(settings);
  options.pipeline = pipeline_options(settings, found);
  options.others = other_models(settings, found.checkpoint);
  options.background_network = background_network_of(settings);
  Interrupt interrupt;
  server::serve(
      options, [&] { return interrupt.requested(); },
      [](const std::string& address) {
        std::printf("Espalier listens at %s (Ctrl-C ends it)\n", address.c_str());
        std::fflush(stdout);
      },
      [](const std::string& warning) { std::fprintf(stderr, "espalier: %s\n", warning.c_str()); });
  return 0;
}

}  // namespace espalier::cli
