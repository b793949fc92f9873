"""The cause of an end, from lines that Triton 2.51 wrote."""

from servers.triton_service.server_log import cause_of_end, engine_refusal, is_error

NO_GPU = 'E1121 21:40:10.614493 12269 server.cc:241] "CudaDriverHelper has not been initialized."\n'
NOT_LOADED = (
    "E1121 21:40:11.390441 12269 model_lifecycle.cc:642] \"failed to load 'classifier' version 1: "
    r'Internal: NoSuchFile: model.onnx\n\nAt:\n  capi.py(778): _create_inference_session\n"' + "\n"
)
ENDED = "error: creating server: Internal - failed to load all models\n"
REFUSED = (
    "E1122 04:01:40.391441 12269 model_lifecycle.cc:642] \"failed to load 'classifier' version 1: "
    "Internal: EngineUnavailableError: expected a CUDA device, found none: set device = "
    r'\"cpu\".\n\nAt:\n  engines.py(78): load_engine\n"' + "\n"
)
PORT_IN_USE = (
    'E1121 21:39:30.739707 11879 main.cc:245] "failed to start GRPC service: Unavailable - '
    "Socket '127.0.0.1:18112' already in use \"\n"
)


def test_a_model_that_did_not_load_explains_the_errors_around_it() -> None:
    cause = cause_of_end([NO_GPU, NOT_LOADED, ENDED])

    assert cause == ("failed to load 'classifier' version 1: Internal: NoSuchFile: model.onnx")


def test_without_such_a_model_the_last_error_is_the_cause() -> None:
    cause = cause_of_end([NO_GPU, PORT_IN_USE])

    assert cause.startswith("failed to start GRPC service: Unavailable - Socket '127.0.0.1:18112'")


def test_information_and_warnings_are_no_errors() -> None:
    assert not is_error('I1121 21:34:19.396144 8299 grpc_server.cc:2558] "Started"\n')
    assert not is_error('W1121 21:34:18.486528 8299 memory.cc:273] "error: no pinned memory"\n')
    assert not is_error("| pinned_memory_pool_byte_size | 268435456 |\n")


def test_the_sentence_of_an_engine_that_cannot_be_had_is_read_as_it_was_written() -> None:
    sentence = engine_refusal(cause_of_end([NO_GPU, REFUSED, ENDED]))

    assert sentence == 'expected a CUDA device, found none: set device = "cpu".'
    assert engine_refusal(cause_of_end([NO_GPU, NOT_LOADED, ENDED])) is None
