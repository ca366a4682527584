"""A client whose every type was generated from the server's OpenAPI document: URL KEY IMAGE (in base64). An image becomes a file, in
another format too, and goes."""
import json
import pathlib
import sys
import time

import generated

url, key, image = sys.argv[1:]
settings = generated.Configuration(host=url)
settings.access_token = key


def until_ended(jobs, job):
    while job.state in ("queued", "running"):
        time.sleep(0.1)
        job = jobs.job(job.id)
    assert job.state == "done", job
    return job


def file_of(jobs, job, form):
    """The first four letters of a result, and whether all of it came."""
    [file] = [one for one in job.files if one.role == "result" and one.format == form]
    path = jobs.file(job.id, file.name)
    data = pathlib.Path(path).read_bytes()
    pathlib.Path(path).unlink()
    return data[:4].decode(errors="replace"), len(data) == file.bytes


def refused(call):
    """Code of the error, as the document has it."""
    try:
        call()
    except generated.ApiException as error:
        return generated.ErrorDetail(**json.loads(error.body)["error"]).code
    return None


def impossible(make):
    try:
        make()
    except ValueError:
        return True
    return False


with generated.ApiClient(settings) as client:
    jobs = generated.JobsApi(client)
    server = generated.ServerApi(client)
    options = generated.GenerateOptions(seed=1, structure=generated.Sampler(steps=1), latent=generated.Sampler(steps=1), raw_mesh=True,
                                        name="a chair", background="auto")
    request = generated.JobRequest(image=generated.ImageData(data=image, name="chair.png"), options=options)
    job = jobs.add_job(request, idempotency_key="from-python")
    same = jobs.add_job(request, idempotency_key="from-python").id == job.id
    job = until_ended(jobs, job)
    exported = until_ended(jobs, jobs.add_export(job.id, generated.ExportOptions(formats=["stl"])))
    listed = jobs.list_jobs(kind="assets", limit=5)
    print(json.dumps({
        "health": server.health().status,
        "model": server.models().models[0].name,
        "same": same,
        "paused": generated.QueueApi(client).queue(limit=5).paused,
        "job": [type(job).__name__, type(job.created).__name__, type(job.options).__name__, job.options.seed, job.options.structure.steps],
        "faces": job.report.faces > 100,
        "glb": file_of(jobs, job, "glb"),
        "stl": file_of(jobs, exported, "stl")[1],
        "parent": exported.parent == job.id,
        "listed": [one.name for one in listed.jobs],
        "renamed": jobs.change_job(job.id, generated.JobChange(name="renamed", pinned=True)).name,
        "refused": refused(lambda: jobs.add_job(generated.JobRequest(options=generated.GenerateOptions(seed=1)))),
        "impossible": [impossible(lambda: generated.GenerateOptions(formats=["doc"])), impossible(lambda: generated.Sampler(steps=0)),
                       impossible(lambda: jobs.job("no id"))],
        "removed": [one.result for one in jobs.remove_jobs(generated.JobIds(ids=[exported.id, job.id])).results],
        "gone": refused(lambda: jobs.job(job.id)),
    }))
