// espalier batch: an asset of each item of a list, here or on a server. What the manifest says is done is not done again.
#include <optional>

#include "batch_ledger.h"
#include "batch_server.h"
#include "commands.h"
#include "generate.h"
#include "outputs.h"
#include "paths.h"
#include "server/serve.h"

namespace espalier::cli {

namespace {

using Clock = std::chrono::steady_clock;

class LocalBatch {
 public:
  // All outlive it.
  LocalBatch(const Settings& settings, BatchLedger& ledger, Interrupt& interrupt, ProgressPrinter& printer)
      : settings_(settings), ledger_(ledger), interrupt_(interrupt), printer_(printer) {}

  void run(std::vector<BatchTask> tasks) {
    for (BatchTask& task : tasks) {
      task.started = time_now();
      task.start = Clock::now();
      const Settings one = ledger_.settings_of(*task.item);
      if (!attempt(task, [&] { check(one); })) continue;
      // Once for all; without it nothing can be made, so that is no failure of one item.
      if (!pipeline_) pipeline_.emplace(pipeline_options(settings_, find_checkpoint(settings_)));
      (void)attempt(task, [&] { make(task, one); });
    }
  }

 private:
  template <class Work>
  bool attempt(const BatchTask& task, Work work) {
    try {
      work();
      return true;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled) throw;
      if (error.code() == ErrorCode::device) pipeline_.reset();  // what a GPU did wrong may stay with its context
      ledger_.failed(task, {server::word_of(error.code()), std::string(error.message()), std::string(error.hint())});
      return false;
    }
  }

  static void check(const Settings& one) {
    for (const std::filesystem::path& image : one.images) Pipeline::check_image(image);
  }

  void make(const BatchTask& task, const Settings& one) {
    const Observer observer{.progress = [&](const Progress& progress) { printer_.show(progress); },
                            .cancelled = [&] { return interrupt_.requested(); }};
    const Asset asset = pipeline_->generate(request_of(one), observer);
    (void)save_all(asset, one, interrupt_, observer);
    ledger_.done(task, pipeline_->device(), {{"notices", asset.notices()}});
  }

  const Settings& settings_;
  BatchLedger& ledger_;
  Interrupt& interrupt_;
  ProgressPrinter& printer_;
  std::optional<Pipeline> pipeline_;
};

}  // namespace

int batch(const Settings& settings) {
  if (settings.batch.list.empty()) throw UsageError("no list is given; name a folder of images or a .csv file");
  if (settings.batch.out.empty()) throw UsageError("no folder for the results is given; name one with --out");
  if (settings.background.size() > 1) throw UsageError("--background takes one value for all images of a batch");
  const auto start = Clock::now();
  Interrupt interrupt;
  ProgressPrinter printer(settings.quiet, settings.progress);
  BatchLedger ledger(settings, interrupt, printer);
  std::vector<BatchTask> tasks = ledger.tasks();
  if (settings.batch.server.empty()) {
    LocalBatch(settings, ledger, interrupt, printer).run(std::move(tasks));
  } else {
    ServerBatch(settings, ledger, interrupt, printer).run(tasks);
  }
  printer.clear();
  return ledger.report(std::chrono::duration<double>(Clock::now() - start).count());
}

}  // namespace espalier::cli
