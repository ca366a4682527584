// espalier batch: an asset of each item of a list, here or on a server. What the manifest says is done is not done again.
#include <optional>
#include <utility>
#include <vector>

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
    std::vector<Piece> pieces;
    for (BatchTask& task : tasks) {
      task.started = time_now();
      task.start = Clock::now();
      const Settings one = ledger_.settings_of(*task.item);
      if (attempt(task, [&] { check(one); })) pieces.push_back({&task, one});
      if (std::ssize(pieces) == settings_.max_batch) make(std::exchange(pieces, {}));
    }
    if (!pieces.empty()) make(pieces);
  }

 private:
  struct Piece {
    const BatchTask* task;
    Settings settings;
  };

  template <class Work>
  bool attempt(const BatchTask& task, Work work) {
    try {
      work();
      return true;
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled) throw;
      if (error.code() == ErrorCode::device) broken_ = true;  // what a GPU did wrong may stay with its context
      ledger_.failed(task, {server::word_of(error.code()), std::string(error.message()), std::string(error.hint())});
      return false;
    }
  }

  static void check(const Settings& one) {
    for (const std::filesystem::path& image : one.images) Pipeline::check_image(image);
  }

  // Those whose samplers are set alike are sampled together.
  void make(const std::vector<Piece>& pieces) {
    // Once for all; without it nothing can be made, so that is no failure of one item.
    if (!pipeline_) pipeline_.emplace(pipeline_options(settings_, find_checkpoint(settings_)));
    const Observer observer{.progress = [&](const Progress& progress) { printer_.show(progress); },
                            .cancelled = [&] { return interrupt_.requested(); }};
    std::size_t shown = 0;  // whose progress is shown
    std::vector<Pipeline::BatchItem> items;
    std::vector<const Piece*> piece_of;  // each item
    for (const Piece& piece : pieces) {
      (void)attempt(*piece.task, [&] {
        const auto is_shown = [&shown, item = items.size()] { return item == shown; };
        items.push_back({request_of(piece.settings), shown_while(observer, is_shown)});
        piece_of.push_back(&piece);
      });
    }
    std::vector<bool> over(items.size());
    pipeline_->generate_batch(items, settings_.max_batch, [&](std::size_t item, const Pipeline::BatchResult& result) {
      const Piece& piece = *piece_of[item];
      over[item] = true;
      while (shown < over.size() && over[shown]) ++shown;
      (void)attempt(*piece.task, [&] {
        if (result.failure) std::rethrow_exception(result.failure);
        (void)save_all(*result.asset, piece.settings, interrupt_, observer);
        ledger_.done(*piece.task, pipeline_->device(), {{"notices", result.asset->notices()}});
      });
    });
    if (std::exchange(broken_, false)) pipeline_.reset();
  }

  const Settings& settings_;
  BatchLedger& ledger_;
  Interrupt& interrupt_;
  ProgressPrinter& printer_;
  std::optional<Pipeline> pipeline_;
  bool broken_ = false;  // the device has failed
};

}  // namespace

int batch(const Settings& settings) {
  if (settings.batch.list.empty()) throw UsageError("no list is given; name a folder of images or a .csv file");
  if (settings.batch.out.empty()) throw UsageError("no folder for the results is given; name one with --out");
  if (!settings.batch.server.empty() && settings.asked.contains("max-batch"))
    throw UsageError("--max-batch has no effect with --server, whose own --max-batch holds; leave it out");
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
