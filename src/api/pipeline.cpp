// The public pipeline: a session, the recipe of its checkpoint, progress, records.
#include "api/pipeline.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "api/asset.h"
#include "api/finish_given.h"
#include "api/models.h"
#include "api/observer_monitor.h"
#include "api/option_checks.h"
#include "base/file.h"
#include "base/file_hashes.h"
#include "base/version.h"
#include "espalier/espalier.h"
#include "espalier/options.h"
#include "finishing/costs.h"
#include "finishing/finish.h"
#include "geometry/voxelize/voxelize.h"
#include "image/codec.h"
#include "recipes/image_input.h"
#include "recipes/recipe.h"
#include "recipes/trellis_latent.h"
#include "session/job_clock.h"
#include "session/session.h"
#include "text/clip_tokenizer.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr const char* kHash = "sha256 ";  // in front of a weight file, in records

std::string hash_key(const fs::path& file) { return std::string(kHash).append(file.filename().string()); }

// What maps and light say in records; nothing where there are none.
std::string describe_maps(const FinishRequest& f) {
  std::string text;
  if (f.delight > 0.0) text += str(", delight ", f.delight);
  if (f.maps.normal) text += ", normal map";
  if (f.maps.occlusion) text += ", occlusion map";
  return text;
}

std::string describe(const FinishRequest& f, const KeptMesh* kept, bool given) {
  std::string text = f.clean ? "cleaned, " : "";
  text += f.faces ? str("faces ", *f.faces) : str("simplify ", f.simplify);
  if (f.watertight) text += ", watertight";
  if (f.min_wall_mm > 0) text += str(", walls of ", f.min_wall_mm, " mm");
  if (f.flat_base_mm > 0) text += str(", ", f.flat_base_mm, " mm cut off the bottom");
  if (f.min_wall_mm > 0 || f.flat_base_mm > 0)
    text += f.height_mm > 0 ? str(" at a height of ", f.height_mm, " mm") : str(" at a size of ", f.size_mm, " mm");
  if (kept != nullptr) text = kept->uvs ? "mesh and texture coordinates kept" : "mesh kept";
  if (!f.texture) return text;
  text += str(", texture ", f.texture_size, " ");
  if (given) return text + "of the look of the given mesh" + describe_maps(f);
  text += str(name_of(f.bake), " of ", f.views, " views of the ", f.bake_radiance_field ? "radiance field" : "Gaussians");
  return text + describe_maps(f);
}

// The request with everything decoded that finishing works on; checked before anything runs.
Request with_what_finishing_needs(Request request) {
  check_sampling(request);
  if (!request.finish) return request;
  check_finish_request(*request.finish);
  request.mesh = true;
  if (request.finish->texture) (request.finish->bake_radiance_field ? request.radiance_field : request.gaussians) = true;
  return request;
}

// What vary() keeps of the shape; nothing where a new mesh is decoded.
std::optional<KeptMesh> kept_by(const Request& request, const UnitPlacement& placement) {
  if (!request.keep_mesh && !request.keep_uvs) return std::nullopt;
  if (!request.keep_mesh) {
    fail(ErrorCode::invalid_argument, "texture coordinates are kept only with the mesh", hint("ask for keep-mesh, too"));
  }
  if (!request.finish || !request.finish->texture) {
    fail(ErrorCode::invalid_argument, "to keep the mesh, a texture must be baked onto it",
         hint("ask for a texture, and for a file that holds one"));
  }
  return KeptMesh{placement, request.keep_uvs};
}

const Mesh& mesh_of(const Asset& shape) {
  const Asset::Data& data = shape.data();
  if (!data.finished && !data.mesh) fail(ErrorCode::invalid_argument, "there is no mesh to vary", hint("give one"));
  return data.finished ? data.finished->mesh : *data.mesh;
}

std::string describe(const Region& region, const EditRequest& part) {
  return str(region.title(), ", rim ", part.rim, ", every step ", part.resample, part.resample == 1 ? " time" : " times",
             part.appearance_only ? ", structure kept" : "");
}

// "edit 2: ", in front of the records of the second edit of an asset.
std::string next_edit(const std::map<std::string, std::string>& record) {
  int number = 1;
  while (record.count(str("edit ", number, ": region")) != 0) ++number;
  return str("edit ", number, ": ");
}

// The stages of an edit: steps are made several times, and the mesh is decoded of all `states`.
std::vector<PlannedStage> repeated(std::vector<PlannedStage> stages, int times, std::size_t states) {
  for (PlannedStage& s : stages) {
    if (s.stage == Stage::sample_structure || s.stage == Stage::sample_latent) s.take_times(times);
    if (s.stage == Stage::decode_mesh) s.take_times(static_cast<double>(states));
  }
  return stages;
}

// Bits differ where the asset was decoded elsewhere, since the mesh is decoded again.
void report_moved(const Asset::Data& before, AssetBuilder& edited) {
  const Asset::Data& now = edited.data();
  if (!before.mesh || !now.mesh) return;
  const MovedVertices v = vertices_moved(*before.mesh, *now.mesh, now.earlier.back().touched, now.voxels.resolution);
  if (v.moved == 0) return;
  edited.notice(str("warning: outside the region ", v.moved, " of ", v.all,
                    " vertices of the mesh are not bit for bit where they were: the asset was decoded on another device, in "
                    "another precision or by another version"));
}

JobSizes sizes_of(const Asset::Data& data) {
  JobSizes sizes;
  if (data.mesh) sizes.faces = static_cast<double>(data.mesh->face_count());
  if (data.gaussians) sizes.gaussians = static_cast<double>(data.gaussians->count());
  if (data.voxels.rows() > 0) sizes.voxels = static_cast<double>(data.voxels.rows());
  sizes.images = std::max(1, static_cast<int>(data.images.size()));
  return sizes;
}

// Finishes the mesh of an asset in the making.
void finish_builder(const DeviceChoice& device, const FinishRequest& request, const StageHooks& hooks, AssetBuilder& asset,
                    std::vector<StageReport>& stages, const KeptMesh* kept = nullptr) {
  const Asset::Data& data = asset.data();
  const FinishInput input{data.mesh ? &*data.mesh : nullptr,
                          data.surface,
                          data.gaussians ? &*data.gaussians : nullptr,
                          data.radiance_field ? &*data.radiance_field : nullptr,
                          data.images,
                          kept};
  FinishedMesh finished = finish_mesh(device, input, request, hooks, stages);
  asset.record(kFinishing, describe(request, kept, false));
  for (const std::string& notice : finished.notices) asset.notice(notice);
  asset.finished(std::move(finished));
}

// Progress of one job: what its stages report, as the observer wants it.
class JobProgress {
 public:
  JobProgress(const Observer& observer, const std::vector<PlannedStage>& plan)
      : observer_(observer), monitor_(observer), clock_(at_pace(note(plan), observer.pace)) {}
  void replan(const std::vector<PlannedStage>& stages) { clock_.replan(at_pace(note(stages), observer_.pace)); }
  // What was planned last for the stage of each report.
  void fill_in(std::vector<StageReport>& reports) const {
    for (StageReport& report : reports) {
      if (const auto found = planned_.find(report.stage); found != planned_.end()) report.planned_seconds = found->second;
    }
  }
  [[nodiscard]] StageHooks hooks() {
    return {.progress =
                [this](Stage stage, int step, int steps) {
                  if (observer_.progress) observer_.progress(clock_.at(stage, step, steps));
                },
            .monitor = &monitor_,
            .measure_memory = observer_.measure_memory};
  }

 private:
  const std::vector<PlannedStage>& note(const std::vector<PlannedStage>& plan) {
    for (const PlannedStage& stage : plan) planned_[stage.stage] = stage.seconds;
    return plan;
  }

  const Observer& observer_;
  ObserverMonitor monitor_;
  std::map<Stage, double> planned_;
  JobClock clock_;
};

// Takes what a recipe makes into the asset, and shows and announces it as it comes.
class AssetSink final : public RecipeSink {
 public:
  // `prefix`: of what is recorded.
  AssetSink(AssetBuilder& asset, const Observer& observer, std::string prefix, std::function<void(const JobSizes&)> replan)
      : asset_(asset), observer_(observer), prefix_(std::move(prefix)), replan_(std::move(replan)) {}
  [[nodiscard]] bool wants_previews() const override { return static_cast<bool>(observer_.structure); }
  void preview(const Voxels& voxels, int step, int steps) override {
    std::vector<std::int32_t> positions;
    for (std::size_t i = 0; i < voxels.coords.size(); i += 4) {
      const auto at = voxels.coords.begin() + static_cast<std::ptrdiff_t>(i);
      positions.insert(positions.end(), at + 1, at + 4);
    }
    observer_.structure({voxels.resolution, positions, step, steps});
  }
  void foreground(Image rgba) override { asset_.image(std::move(rgba)); }
  void structure(std::vector<float> latent) override { asset_.structure(std::move(latent)); }
  void earlier(EarlierState state) override { asset_.earlier(std::move(state)); }
  void latent(const Voxels& voxels, std::vector<float> values) override { asset_.latent(voxels, values); }
  void gaussians(Gaussians value) override {
    asset_.gaussians(std::move(value));
    show();
  }
  void mesh(Mesh value, SurfaceRule rule) override {
    asset_.mesh(std::move(value), rule);
    show();
  }
  void radiance_field(RadianceField value) override { asset_.radiance_field(std::move(value)); }
  void notice(const std::string& line) override {
    asset_.notice(line);
    asset_.report_notices(observer_);
  }
  void record(const std::string& key, const std::string& value) override { asset_.record(prefix_ + key, value); }
  void sizes(const JobSizes& sizes) override { replan_(sizes); }

 private:
  void show() {
    if (observer_.partial) observer_.partial(asset_.so_far());
  }

  AssetBuilder& asset_;
  const Observer& observer_;
  std::string prefix_;
  std::function<void(const JobSizes&)> replan_;
};

}  // namespace

Precision precision_on(Precision precision, const DeviceChoice& device) {
  if (precision != Precision::automatic) return precision;
  return device.cuda ? Precision::half : Precision::full;
}

std::string version() { return ESPALIER_VERSION; }

struct Pipeline::Impl {
  Session session;
  std::unique_ptr<Recipe> recipe;
  std::optional<FileHashes> hashes{};  // of the weight files, made beside the first job

  Impl(const PipelineOptions& options, std::shared_ptr<const Checkpoint> checkpoint, const Registry& registry,
       const RecipeBook& recipes)
      : session(session_options(options), checkpoint, registry),
        recipe(recipes.find(checkpoint->pipeline, checkpoint->where).open(session)) {}

  static SessionOptions session_options(const PipelineOptions& options) {
    SessionOptions s;
    s.device = DeviceChoice::named(options.device);
    s.precision = precision_on(options.precision, s.device);
    s.tier = options.tier;
    s.memory_limit = options.memory_limit;
    return s;
  }

  void start_hashes() {
    if (hashes) return;
    std::vector<fs::path> files;
    for (const auto& [role, m] : session.checkpoint().modules) {
      if (!m.file.empty()) files.push_back(m.file);
    }
    // The longest first, so that none is left to one thread at the end.
    std::sort(files.begin(), files.end(), [](const fs::path& a, const fs::path& b) {
      std::error_code unknown;
      return fs::file_size(a, unknown) > fs::file_size(b, unknown);
    });
    hashes.emplace().start(std::move(files));
  }

  // The first of these decoders that is none of those that made what has this record, by their hashes; empty where all are, or
  // the record names none.
  std::string foreign_decoder(const std::map<std::string, std::string>& record, std::initializer_list<const char*> roles) {
    std::set<std::string> made_by;
    for (const auto& [key, value] : record) {
      if (key.starts_with(kHash)) made_by.insert(value);
    }
    if (made_by.empty()) return {};
    for (const char* role : roles) {
      if (!session.has(role)) continue;
      const fs::path& file = session.checkpoint().module(role).file;
      start_hashes();
      const auto hash = hashes->get().find(file);
      if (hash != hashes->get().end() && made_by.count(hash->second) == 0) return role;
    }
    return {};
  }
  // Refuses an asset whose latents mean something else to this checkpoint.
  void check_maker(const Asset::Data& asset) {
    const std::string role = foreign_decoder(asset.record, {kStructureDecoder, kGaussianDecoder, kMeshDecoder});
    if (role.empty()) return;
    fail(ErrorCode::invalid_argument, "the asset was made by another checkpoint than ", session.checkpoint().folder.string(),
         ", whose ", role, " is not the one that decoded it", hint("name the checkpoint that made the asset with --model"));
  }

  // The voxels of an asset, for another one on the same grid.
  const Voxels& structure_of(const Asset::Data& asset) {
    const int resolution = recipe->latent_shape(session).resolution;
    if (asset.voxels.rows() > 0 && asset.voxels.resolution == resolution && asset.voxels.batch() == 1) return asset.voxels;
    fail(ErrorCode::invalid_argument, "the asset whose structure is to be kept has no voxels on a grid of ", resolution,
         hint("take one that --save-asset wrote, or give a mesh other details with espalier vary"));
  }

  class Making;
  class BatchRun;

  // Whether two requests can be sampled together; what is wrong with one of them is reported when it is its turn.
  [[nodiscard]] bool alike(const Request& a, const Request& b) const {
    try {
      return recipe->samples_alike(a, b);
    } catch (const Error&) {
      return false;
    }
  }

  // Stages of sampling and decoding, and those of finishing behind them.
  [[nodiscard]] std::vector<PlannedStage> with_finishing(std::vector<PlannedStage> stages, const Request& request,
                                                         const JobSizes& sizes) const {
    if (!request.finish) return stages;
    for (PlannedStage& stage : finishing_costs(session.device(), *request.finish, sizes, request.surface))
      stages.push_back(std::move(stage));
    return stages;
  }

  // Runs `work(sink)` and finishing, as the observer watches.
  template <class Plan, class Work>
  Asset run(const Request& request, const Observer& observer, const JobSizes& first, Plan plan, AssetBuilder& asset, Work work,
            const KeptMesh* kept = nullptr, const std::string& prefix = {});

  void record(const Request& request, AssetBuilder& asset) {
    asset.record("generator", "Espalier " + version());
    asset.record("device", session.device_name());
    asset.record("precision", session.precision_name());
    start_hashes();
    for (const auto& [file, hash] : hashes->get()) asset.record(hash_key(file), hash);
    const Checkpoint& checkpoint = session.checkpoint();
    const auto notice_once = [&asset](const std::string& line) {
      const auto& notices = asset.data().notices;
      if (std::find(notices.begin(), notices.end(), line) == notices.end()) asset.notice(line);
    };
    if (checkpoint.untrained)
      notice_once(str("the weights of ", checkpoint.folder.string(), " are not trained: the asset is a shapeless object"));
    if (!session.device().passed_over.empty()) notice_once("warning: the GPU is not used, " + session.device().passed_over);
    if (request.mesh && asset.mesh_is_empty()) asset.notice("warning: the mesh has no faces: the decoder found no surface");
  }
};

// An asset in the making, from the first stage to finishing, as its observer watches it.
class Pipeline::Impl::Making {
 public:
  using Plan = std::function<std::vector<PlannedStage>(const JobSizes&)>;

  // All that is given by reference outlives it.
  Making(Impl& impl, const Request& request, const Observer& observer, const JobSizes& first, Plan plan, AssetBuilder& asset,
         std::string prefix = {})
      : impl_(impl),
        request_(request),
        observer_(observer),
        plan_(std::move(plan)),
        asset_(asset),
        progress_(observer, impl.with_finishing(plan_(first), request, first)),
        sink_(asset, observer, std::move(prefix),
              [this](const JobSizes& sizes) { progress_.replan(impl_.with_finishing(plan_(sizes), request_, sizes)); }) {}
  Making(const Making&) = delete;
  Making& operator=(const Making&) = delete;
  ~Making() = default;

  // Stages of networks: `some(sink)`.
  template <class Work>
  void work(Work some) {
    const Hooked hooked(impl_.session, progress_.hooks());
    (void)impl_.session.take_costs();
    impl_.start_hashes();
    some(sink_);
    asset_.costs(impl_.session.take_costs());
  }
  // `planned_for`: so many assets, sampled together.
  [[nodiscard]] Asset finish(const KeptMesh* kept = nullptr, int planned_for = 1) {
    std::vector<StageReport> finishing;
    const DeviceChoice& device = impl_.session.device();
    if (request_.finish) {
      progress_.replan(finishing_costs(device, *request_.finish, sizes_of(asset_.data()), asset_.data().surface));
      if (!asset_.mesh_is_empty()) finish_builder(device, *request_.finish, progress_.hooks(), asset_, finishing, kept);
    }
    for (const StageReport& stage : finishing) asset_.stage(stage);
    progress_.fill_in(asset_.stages());
    for (StageReport& stage : asset_.stages()) {  // fewer may have been
      if (stage.stage == Stage::sample_structure || stage.stage == Stage::sample_latent)
        stage.planned_seconds *= static_cast<double>(stage.assets) / planned_for;
    }
    impl_.record(request_, asset_);
    asset_.report_notices(observer_);
    return asset_.build();
  }
  [[nodiscard]] RecipeSink& sink() { return sink_; }
  [[nodiscard]] StageHooks hooks() { return progress_.hooks(); }

  // The session's stages are heard of while it lives.
  class Hooked {
   public:
    Hooked(Session& session, StageHooks hooks) : session_(session) { session.set_hooks(std::move(hooks)); }
    Hooked(const Hooked&) = delete;
    Hooked& operator=(const Hooked&) = delete;
    ~Hooked() { session_.set_hooks({}); }

   private:
    Session& session_;
  };

 private:
  Impl& impl_;
  const Request& request_;
  const Observer& observer_;
  Plan plan_;
  AssetBuilder& asset_;
  JobProgress progress_;
  AssetSink sink_;
};

// Assets whose samples are made together; each ends by itself.
class Pipeline::Impl::BatchRun {
 public:
  using Ended = std::function<void(std::size_t, const BatchResult&)>;
  using PlanOf = std::function<std::vector<PlannedStage>(const Request&, const JobSizes&)>;

  // Of at most `count` assets.
  BatchRun(Impl& impl, std::size_t count, Ended ended) : impl_(impl), count_(count), ended_(std::move(ended)) {
    sampling_.reserve(count);
  }
  BatchRun(const BatchRun&) = delete;
  BatchRun& operator=(const BatchRun&) = delete;
  ~BatchRun() = default;

  // One more, which begins with `common`. `condition(sink)` gives what its samplers are conditioned on.
  template <class ConditionOf>
  void add(const Request& request, const Observer& observer, PlanOf plan, const JobSizes& first, const Asset::Data& common,
           const Voxels* structure, ConditionOf condition) {
    const std::size_t index = members_.size();
    members_.push_back(std::make_unique<Member>(request, observer, common));
    Member& m = *members_.back();
    sampling_.push_back({.request = &m.request, .structure = structure, .left = [this, index] { return left(index); }});
    guarded(index, [&] {
      m.request = with_what_finishing_needs(request);
      m.making.emplace(impl_, m.request, m.observer, first, planned(m.request, std::move(plan)), m.asset);
      sampling_[index].sink = &m.making->sink();
      m.making->work([&](RecipeSink& sink) { sampling_[index].condition = condition(sink); });
    });
  }

  // To the end of each; `decoded(asset)` is called when its networks have run.
  template <class Decoded>
  void run(Decoded decoded) {
    sample();
    for (std::size_t i = 0; i < members_.size(); ++i) {
      Member& m = *members_[i];
      BatchMember& sampled = sampling_[i];
      for (std::size_t waiting = i + 1; waiting < members_.size(); ++waiting) (void)left(waiting);
      if (left(i)) continue;
      if (sampled.failure) {
        end(i, {.asset = std::nullopt, .failure = sampled.failure});
        continue;
      }
      BatchResult result;
      guarded(i, [&] {
        m.asset.costs(sampled.costs);
        m.making->work([&](RecipeSink& sink) {
          impl_.recipe->decode(impl_.session, sampled.voxels, sampled.latent, m.request, sink);
          decoded(m.asset);
        });
        result.asset = m.making->finish(nullptr, static_cast<int>(count_));
      });
      sampled.latent = {};
      sampled.condition = {};
      if (result.asset) end(i, result);
    }
  }

 private:
  struct Member {
    Member(const Request& asked, const Observer& watching, const Asset::Data& common)
        : request(asked), observer(watching), asset(common) {}
    Request request;
    Observer observer;
    AssetBuilder asset;
    std::optional<Making> making{};
    bool ended = false;
  };
  // Work stops when nobody waits for any of its assets.
  class AllLeft final : public Monitor {
   public:
    explicit AllLeft(BatchRun& run) : run_(run) {}
    void progress(int /*done*/, int /*total*/) const override {}
    [[nodiscard]] bool cancelled() const override {
      if (all_ || std::this_thread::get_id() != owner_) return all_;
      bool all = true;
      for (std::size_t i = 0; i < run_.members_.size(); ++i) all = run_.left(i) && all;
      return all_ = all || run_.refusal_ != nullptr;
    }

   private:
    BatchRun& run_;
    const std::thread::id owner_ = std::this_thread::get_id();
    mutable std::atomic<bool> all_{false};
  };

  // What is sampled together takes the time of all.
  [[nodiscard]] Making::Plan planned(const Request& request, PlanOf plan) const {
    return [&request, plan = std::move(plan), count = count_](const JobSizes& sizes) {
      std::vector<PlannedStage> stages = plan(request, sizes);
      for (PlannedStage& s : stages) {
        if (s.stage == Stage::sample_structure || s.stage == Stage::sample_latent) s.take_times(static_cast<double>(count));
      }
      return stages;
    };
  }
  void end(std::size_t i, const BatchResult& result) {
    members_[i]->ended = true;
    try {
      ended_(i, result);
    } catch (...) {
      refusal_ = std::current_exception();
      throw;
    }
  }
  // What fails in `work` is the end of this asset; what `ended` throws is that of all.
  template <class Work>
  void guarded(std::size_t i, Work work) {
    std::exception_ptr failure;
    try {
      work();
    } catch (...) {
      if (refusal_) std::rethrow_exception(refusal_);
      failure = std::current_exception();
    }
    if (failure && !members_[i]->ended) end(i, {.asset = std::nullopt, .failure = failure});
  }
  // Whether the asset has ended or does so now, because its observer has cancelled it.
  [[nodiscard]] bool left(std::size_t i) {
    Member& m = *members_[i];
    if (!m.ended && m.observer.cancelled && m.observer.cancelled()) {
      const Error cancelled(ErrorCode::cancelled, "cancelled on request");
      end(i, {.asset = std::nullopt, .failure = std::make_exception_ptr(cancelled)});
    }
    return m.ended;
  }
  void sample() {
    std::vector<BatchMember*> staying;
    for (std::size_t i = 0; i < members_.size(); ++i) {
      if (!left(i)) staying.push_back(&sampling_[i]);
    }
    if (staying.empty()) return;
    const AllLeft monitor(*this);
    const auto progress = [this](Stage stage, int step, int steps) {
      for (std::size_t i = 0; i < members_.size(); ++i) {
        if (members_[i]->ended || sampling_[i].failure) continue;
        try {
          members_[i]->making->hooks().progress(stage, step, steps);
        } catch (...) {  // of the observer of this one
          sampling_[i].failure = std::current_exception();
        }
      }
    };
    const bool measured =
        std::any_of(members_.begin(), members_.end(), [](const auto& m) { return m->observer.measure_memory; });
    const Making::Hooked hooked(impl_.session, {.progress = progress, .monitor = &monitor, .measure_memory = measured});
    try {
      impl_.recipe->sample_batch(impl_.session, staying);
    } catch (...) {
      for (BatchMember* const member : staying) {
        if (!member->failure) member->failure = std::current_exception();
      }
    }
    if (refusal_) std::rethrow_exception(refusal_);
  }

  Impl& impl_;
  const std::size_t count_;
  Ended ended_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<BatchMember> sampling_;
  std::exception_ptr refusal_{};  // what `ended` has thrown
};

template <class Plan, class Work>
Asset Pipeline::Impl::run(const Request& request, const Observer& observer, const JobSizes& first, Plan plan,
                          AssetBuilder& asset, Work work, const KeptMesh* kept, const std::string& prefix) {
  Making making(*this, request, observer, first, plan, asset, prefix);
  making.work(work);
  return making.finish(kept);
}

Pipeline::Pipeline(const PipelineOptions& options)
    : Pipeline(std::make_unique<Impl>(
          options,
          std::make_shared<Checkpoint>(open_checkpoint(options.checkpoint, {options.image_encoder, options.text_encoder},
                                                       with_neighbours(options.checkpoint, options.repositories))),
          trellis_networks(), trellis_recipes())) {}
Pipeline::Pipeline(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;

Pipeline open_pipeline(const PipelineOptions& options, std::shared_ptr<const Checkpoint> checkpoint, const Registry& registry,
                       const RecipeBook& recipes) {
  return Pipeline(std::make_unique<Pipeline::Impl>(options, std::move(checkpoint), registry, recipes));
}

Asset Pipeline::generate(const Request& asked, const Observer& observer) {
  const Request request = with_what_finishing_needs(asked);
  Impl& p = *impl_;
  AssetBuilder asset;
  const JobSizes first{.images = std::max(1, static_cast<int>(request.images.size()))};
  const auto plan = [&](const JobSizes& sizes) { return p.recipe->plan(p.session, request, sizes); };
  return p.run(request, observer, first, plan, asset, [&](RecipeSink& sink) { p.recipe->generate(p.session, request, sink); });
}

Asset Pipeline::decode(const fs::path& latent_file, const Request& asked, const Observer& observer) {
  const Request request = with_what_finishing_needs(asked);
  if (!request.mesh && !request.gaussians && !request.radiance_field)
    fail(ErrorCode::invalid_argument, "nothing was asked to be decoded");
  if (request.finish && request.finish->project_image) {
    fail(ErrorCode::invalid_argument, latent_file.string(), ": a latent holds no image to project into the texture",
         hint("generate from the image, or export a saved asset"));
  }
  Impl& p = *impl_;
  const Recipe::LatentShape shape = p.recipe->latent_shape(p.session);
  const SavedLatent saved = load_latent(latent_file, shape.resolution, shape.channels);
  AssetBuilder asset;
  for (const auto& [key, value] : saved.record) asset.record(key, value);
  const JobSizes first{.voxels = static_cast<double>(saved.voxels.rows())};
  const auto plan = [&](const JobSizes& sizes) { return p.recipe->plan_decoding(p.session, request, sizes); };
  return p.run(request, observer, first, plan, asset, [&](RecipeSink& sink) {
    p.recipe->decode(p.session, saved.voxels, saved.latent, request, sink);
    // A warning alone: the same weights in another file, of 8 bits for example, have another hash.
    const std::string role = p.foreign_decoder(saved.record, {kGaussianDecoder, kMeshDecoder});
    if (role.empty()) return;
    asset.notice(str("warning: the latent was made for another checkpoint than ", p.session.checkpoint().folder.string(),
                     ": its ", role, " is another one, and the result may be nonsense; name its checkpoint with --model"));
  });
}

Asset Pipeline::vary(const Asset& shape, const Request& asked, const Observer& observer) {
  Request request = with_what_finishing_needs(asked);
  Impl& p = *impl_;
  const Mesh& mesh = mesh_of(shape);
  const UnitPlacement placement = unit_placement(mesh);
  const std::optional<KeptMesh> kept = kept_by(request, placement);
  if (kept) {
    request.mesh = false;
    (void)placed(mesh, *kept);  // refuses texture coordinates that cannot be kept
  }
  const ObserverMonitor monitor(observer);
  const Voxels voxels = voxelize(mesh, placement, p.recipe->latent_shape(p.session).resolution, &monitor);
  AssetBuilder asset;
  const JobSizes first{.voxels = static_cast<double>(voxels.rows()),
                       .images = std::max(1, static_cast<int>(request.images.size()))};
  const auto plan = [&](const JobSizes& sizes) { return p.recipe->plan_variant(p.session, request, sizes); };
  const auto work = [&](RecipeSink& sink) {
    p.recipe->vary(p.session, voxels, request, sink);
    if (kept) {
      asset.mesh(mesh, SurfaceRule::reference);
      asset.record(kGivenFrame, "of the given mesh");
    }
    asset.record("shape", str("a given mesh of ", mesh.face_count(), " faces, ", voxels.rows(), " voxels"));
  };
  return p.run(request, observer, first, plan, asset, work, kept ? &*kept : nullptr);
}

void Pipeline::generate_batch(std::span<const BatchItem> items, int together,
                              const std::function<void(std::size_t, const BatchResult&)>& ended) {
  Impl& p = *impl_;
  together = std::min(together, kMostTogether);
  std::vector<bool> taken(items.size());
  for (std::size_t first = 0; first < items.size(); ++first) {
    if (taken[first]) continue;
    std::vector<std::size_t> group{first};
    for (std::size_t i = first + 1; i < items.size() && std::ssize(group) < together; ++i) {
      if (!taken[i] && p.alike(items[first].request, items[i].request)) group.push_back(i);
    }
    for (const std::size_t i : group) taken[i] = true;
    if (group.size() == 1) {
      BatchResult result;
      try {
        result.asset = generate(items[first].request, items[first].observer);
      } catch (...) {
        result.failure = std::current_exception();
      }
      ended(first, result);
      continue;
    }
    Impl::BatchRun batch(p, group.size(), [&](std::size_t i, const BatchResult& result) { ended(group[i], result); });
    for (const std::size_t i : group) {
      const Request& request = items[i].request;
      const JobSizes sizes{.images = std::max(1, static_cast<int>(request.images.size()))};
      const auto plan = [&p](const Request& known, const JobSizes& at) { return p.recipe->plan(p.session, known, at); };
      batch.add(request, items[i].observer, plan, sizes, {}, nullptr,
                [&](RecipeSink& sink) { return p.recipe->condition(p.session, request, sink); });
    }
    batch.run([](AssetBuilder&) {});
  }
}

void Pipeline::generate_each(const Request& asked, std::span<const std::uint32_t> seeds,
                             const std::function<void(std::uint32_t, const Asset&)>& made, const Observer& observer,
                             const Asset* structure, int together) {
  Request request = with_what_finishing_needs(asked);
  Impl& p = *impl_;
  const Voxels* voxels = structure != nullptr ? &p.structure_of(structure->data()) : nullptr;
  const JobSizes first{.images = std::max(1, static_cast<int>(request.images.size()))};
  Condition condition;
  AssetBuilder common;
  Request encoding = request;
  encoding.mesh = false;
  encoding.finish.reset();
  const auto plan_first = [&](const JobSizes& sizes) {
    auto stages = p.recipe->plan(p.session, request, sizes);
    if (stages.size() > 1) stages.erase(stages.begin() + 1, stages.end());
    return stages;
  };
  const Asset encoded = p.run(encoding, observer, first, plan_first, common,
                              [&](RecipeSink& sink) { condition = p.recipe->condition(p.session, request, sink); });
  const auto plan = [&](const JobSizes& sizes) {
    auto stages =
        voxels == nullptr ? p.recipe->plan(p.session, request, sizes) : p.recipe->plan_variant(p.session, request, sizes);
    if (condition.items > 0) stages.erase(stages.begin());
    return stages;
  };
  const auto note_structure = [&](AssetBuilder& asset) {
    if (structure == nullptr) return;
    asset.structure(structure->data().structure);
    asset.record("shape", str("the ", voxels->rows(), " voxels of another asset"));
  };
  const auto most = static_cast<std::size_t>(std::clamp(p.alike(request, request) ? together : 1, 1, kMostTogether));
  for (std::size_t first_seed = 0; first_seed < seeds.size(); first_seed += most) {
    const auto some = seeds.subspan(first_seed, std::min(most, seeds.size() - first_seed));
    if (some.size() > 1) {
      std::size_t shown = 0;  // whose progress is shown: while they are sampled it is that of all
      Impl::BatchRun batch(p, some.size(), [&](std::size_t i, const BatchResult& result) {
        if (result.failure) std::rethrow_exception(result.failure);
        shown = i + 1;
        made(some[i], *result.asset);
      });
      for (std::size_t i = 0; i < some.size(); ++i) {
        request.seed = some[i];
        Observer one = observer;
        one.progress = [&, i](const Progress& progress) {
          if (observer.progress && i == shown) observer.progress(progress);
        };
        const auto plan_one = [&plan](const Request&, const JobSizes& sizes) { return plan(sizes); };
        batch.add(request, one, plan_one, first, encoded.data(), voxels, [&](RecipeSink&) { return condition; });
      }
      batch.run(note_structure);
      continue;
    }
    request.seed = some.front();
    AssetBuilder asset(encoded.data());
    const auto work = [&](RecipeSink& sink) {
      p.recipe->sample(p.session, condition, voxels, request, sink);
      note_structure(asset);
    };
    made(request.seed, p.run(request, observer, first, plan, asset, work));
  }
}

Asset Pipeline::edit(const Asset& source, const EditRequest& part, const Request& asked, const Observer& observer) {
  check_edit_request(part);
  Request request = with_what_finishing_needs(asked);
  if (!request.mesh && !request.gaussians && !request.radiance_field)
    fail(ErrorCode::invalid_argument, "nothing was asked to be decoded");
  if (request.finish && request.finish->project_image) {
    fail(ErrorCode::invalid_argument,
         "an edited asset is made of more than one image, so none can be projected into its texture",
         hint("leave project-image out"));
  }
  Impl& p = *impl_;
  const Asset::Data& before = source.data();
  p.check_maker(before);
  if (before.mesh) request.surface = before.surface;
  const Region region(part.region);
  const PartEdit edit{.voxels = &before.voxels,
                      .structure = &before.structure,
                      .latent = &before.latent,
                      .earlier = before.earlier,
                      .gaussians = before.gaussians ? &*before.gaussians : nullptr,
                      .radiance_field = before.radiance_field ? &*before.radiance_field : nullptr,
                      .region = &region,
                      .rim = part.rim,
                      .repeats = part.resample,
                      .keep_structure = part.appearance_only};
  if (before.earlier.size() >= kMostEdits) {
    fail(ErrorCode::invalid_argument, "the asset has been edited ", before.earlier.size(), " times, which is the most",
         hint("edit an earlier version of it"));
  }
  AssetBuilder asset;
  for (const EarlierState& state : before.earlier) asset.earlier(state);
  const std::string prefix = next_edit(before.record);
  for (const auto& [key, value] : before.record) {
    if (key != "finishing") asset.record(key, value);
  }
  const JobSizes first{.voxels = std::max(1.0, static_cast<double>(before.voxels.rows())),
                       .images = std::max(1, static_cast<int>(request.images.size()))};
  const auto plan = [&](const JobSizes& sizes) {
    return repeated(
        part.appearance_only ? p.recipe->plan_variant(p.session, request, sizes) : p.recipe->plan(p.session, request, sizes),
        part.resample, before.earlier.size() + 2);
  };
  const auto work = [&](RecipeSink& sink) {
    sink.record("region", describe(region, part));
    p.recipe->edit(p.session, edit, request, sink);
    asset.drop_images();
    report_moved(before, asset);
  };
  return p.run(request, observer, first, plan, asset, work, nullptr, prefix);
}

void Pipeline::check_region(const std::string& region) { (void)Region(region); }

bool Pipeline::takes_text() const { return impl_->recipe->takes_text(); }

void Pipeline::check_prompt(const std::string& prompt) {
  check_prompt_text(prompt, "the prompt");
  if (is_blank(prompt)) fail(ErrorCode::invalid_argument, "the prompt is empty", hint("say what to make"));
}

void Pipeline::check_image(const InputImage& image, const Observer& observer) {
  const ObserverMonitor monitor(observer);
  (void)load_image(image, &monitor);
}

namespace {

// A mesh of another program, whose look is baked anew.
Asset finish_given(const Asset& asset, const FinishRequest& asked, const DeviceChoice& device, const Observer& observer) {
  if (asked.project_image || asked.bake_radiance_field) {
    fail(ErrorCode::invalid_argument, "a mesh of another program has no ",
         asked.project_image ? "image to project into its texture" : "radiance field to bake its texture from",
         hint("leave that out, because the texture is baked from the look of the mesh"));
  }
  AssetBuilder builder(asset.data());
  builder.drop_finished();
  const GivenMesh given(asset.data());
  const FinishRequest request = given.fitting(asked);
  FinishRequest planned = request;
  planned.views = 1;  // of the work of baking: one look at the surface for each texel
  const FinishInput input{.mesh = &given.shape(), .given = &given.look()};
  JobProgress progress(observer, finishing_costs(device, planned, sizes_of(asset.data()), input.surface));
  std::vector<StageReport> stages;
  FinishedMesh finished = finish_mesh(device, input, request, progress.hooks(), stages);
  builder.record(kFinishing, describe(request, nullptr, true));
  for (const std::string& notice : finished.notices) builder.notice(notice);
  take_finished(std::move(finished), builder);
  builder.report_notices(observer);
  progress.fill_in(stages);
  for (const StageReport& stage : stages) builder.stage(stage);
  return builder.build();
}

}  // namespace

Asset finish(const Asset& asset, const FinishRequest& request, const std::string& device, const Observer& observer) {
  check_finish_request(request);
  const DeviceChoice choice = DeviceChoice::named(device);
  if (is_given_mesh(asset.data())) return finish_given(asset, request, choice, observer);
  AssetBuilder builder(asset.data());
  builder.drop_finished();
  JobProgress progress(observer, finishing_costs(choice, request, sizes_of(asset.data()), asset.data().surface));
  std::vector<StageReport> stages;
  finish_builder(choice, request, progress.hooks(), builder, stages);
  builder.report_notices(observer);
  progress.fill_in(stages);
  for (const StageReport& stage : stages) builder.stage(stage);
  return builder.build();
}

Pipeline::Foreground Pipeline::preprocess(const InputImage& image, const ForegroundRequest& request, const Observer& observer) {
  const ObserverMonitor monitor(observer);
  std::vector<std::string> of_file;
  const Image decoded = load_image(image, &monitor, &of_file);
  monitor.check();
  Foreground made;
  Image out;
  if (request.background == Background::none) {
    out = encoder_image(decoded, kEncoderSide);
    if (!of_file.empty()) made.notices.emplace_back("taken as it is, as a square");
    made.notices.insert(made.notices.end(), of_file.begin(), of_file.end());
  } else {
    const DeviceChoice choice = request.network.empty() ? DeviceChoice{} : DeviceChoice::named(request.device);
    ObjectFinder finder(request.network, choice, choice.cuda, &monitor);
    PreparedImage prepared = finder.prepare(image.name(), decoded, request.background, !image.mask().empty());
    made.notices = std::move(prepared.report.warnings);
    made.notices.insert(made.notices.begin(),
                        image.mask().empty() ? finder.how(prepared.report.method) : "foreground from the mask " + image.mask());
    made.notices.insert(made.notices.end(), of_file.begin(), of_file.end());
    out = std::move(prepared.masked);
  }
  made.png = encode_png(out);
  return made;
}

Pipeline::Foreground Pipeline::preprocess(const InputImage& image, Background background) {
  return preprocess(image, ForegroundRequest{background, {}, "auto"});
}

std::vector<std::string> Pipeline::preprocess(const InputImage& image, Background background, const fs::path& png_out) {
  return preprocess(image, ForegroundRequest{background, {}, "auto"}, png_out);
}

std::vector<std::string> Pipeline::preprocess(const InputImage& image, const ForegroundRequest& request,
                                              const fs::path& png_out, const Observer& observer) {
  Foreground made = preprocess(image, request, observer);
  write_file(png_out, made.png);
  return std::move(made.notices);
}

std::string Pipeline::device() const { return impl_->session.device_name(); }
std::string Pipeline::precision() const { return impl_->session.precision_name(); }
std::string Pipeline::tier() const { return std::string(name_of(impl_->session.tier())); }
bool Pipeline::untrained() const { return impl_->session.checkpoint().untrained; }
std::pair<int, double> Pipeline::structure_defaults() const {
  const SamplerDefaults d = impl_->recipe->structure_defaults();
  return {d.steps, d.guidance};
}
std::pair<int, double> Pipeline::latent_defaults() const {
  const SamplerDefaults d = impl_->recipe->latent_defaults();
  return {d.steps, d.guidance};
}

}  // namespace espalier
