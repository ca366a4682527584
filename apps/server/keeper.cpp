#include "keeper.h"

#include "fleet.h"
#include "fleet_book.h"
#include "fleet_control.h"
#include "job_options.h"
#include "job_runner.h"
#include "job_store.h"
#include "worker_process.h"

namespace espalier::server {

namespace {

// Exports that an earlier version left do not say whether they are assets.
void settle_exports(JobStore& store) {
  for (const Job& job : store.unsettled()) {
    bool asset = true;
    try {
      const auto parent = store.find(job.parent);
      const Options of_parent = parent ? parse_generate_options(text_of(parent->options), Spelling::any) : Options();
      const ExportOptions options = parse_export_options(text_of(job.options), of_parent, Spelling::any);
      asset = parent ? is_asset(options, of_parent) : !options.turntable;
    } catch (const HttpError&) {
      asset = true;  // options of a later version: better shown than not
    }
    store.settle(job.id, asset);
  }
}

class LocalKeeper : public Keeper {
 public:
  LocalKeeper(const ServeOptions& options, const ServeOptions& own, EventHub& hub, Metrics& metrics, const Warn& warn)
      : store_(opened(options, warn)), runner_(own, devices_of(options), *store_, hub, metrics, warn) {}

  [[nodiscard]] JobBook& book() override { return *store_; }
  [[nodiscard]] JobControl& control() override { return runner_; }
  void start() override { runner_.start(); }
  void interrupt() override { runner_.interrupt(); }
  void stop() override { runner_.stop(); }
  [[nodiscard]] std::exception_ptr failure() const override { return runner_.failure(); }

 private:
  static std::unique_ptr<JobStore> opened(const ServeOptions& options, const Warn& warn) {
    auto store = std::make_unique<JobStore>(options.data, options.rebuild);
    for (const std::string& note : store->notes()) warn(note);
    settle_exports(*store);
    return store;
  }
  static std::vector<std::string> devices_of(const ServeOptions& options) {
    return options.workers.empty() ? std::vector<std::string>() : devices_of_workers(options.workers, options.pipeline.device);
  }

  std::unique_ptr<JobStore> store_;
  JobRunner runner_;
};

class FleetKeeper : public Keeper {
 public:
  FleetKeeper(const ServeOptions& options, EventHub& hub, Metrics& metrics, const Warn& warn)
      : fleet_(options, options.data / "fleet" / "fetched", warn),
        book_(options.data / "fleet", fleet_.redis(), fleet_.files()),
        control_(options, fleet_.redis(), book_, hub, metrics, warn) {}

  [[nodiscard]] JobBook& book() override { return book_; }
  [[nodiscard]] JobControl& control() override { return control_; }
  void start() override { control_.start(); }
  void interrupt() override {}  // none begins here
  void stop() override { control_.stop(); }
  [[nodiscard]] std::exception_ptr failure() const override { return nullptr; }

 private:
  Fleet fleet_;
  FleetBook book_;
  FleetControl control_;
};

}  // namespace

std::unique_ptr<Keeper> keep_here(const ServeOptions& options, const ServeOptions& own, EventHub& hub, Metrics& metrics,
                                  const Warn& warn) {
  return std::make_unique<LocalKeeper>(options, own, hub, metrics, warn);
}

std::unique_ptr<Keeper> keep_in_fleet(const ServeOptions& options, EventHub& hub, Metrics& metrics, const Warn& warn) {
  return std::make_unique<FleetKeeper>(options, hub, metrics, warn);
}

}  // namespace espalier::server
