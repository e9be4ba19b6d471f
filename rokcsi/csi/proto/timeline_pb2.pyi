import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Pod(_message.Message):
    __slots__ = ("namespace", "pod_name", "uid")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POD_NAME_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    pod_name: str
    uid: str
    def __init__(self, namespace: _Optional[str] = ..., pod_name: _Optional[str] = ..., uid: _Optional[str] = ...) -> None: ...

class PodEntersRequest(_message.Message):
    __slots__ = ("pod", "volume_id", "answered_since")
    POD_FIELD_NUMBER: _ClassVar[int]
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_SINCE_FIELD_NUMBER: _ClassVar[int]
    pod: Pod
    volume_id: str
    answered_since: _timestamp_pb2.Timestamp
    def __init__(self, pod: _Optional[_Union[Pod, _Mapping]] = ..., volume_id: _Optional[str] = ..., answered_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PodEntersResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: str
    def __init__(self, version: _Optional[str] = ...) -> None: ...

class PodLeavesRequest(_message.Message):
    __slots__ = ("pod", "volume_id", "answered_since")
    POD_FIELD_NUMBER: _ClassVar[int]
    VOLUME_ID_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_SINCE_FIELD_NUMBER: _ClassVar[int]
    pod: Pod
    volume_id: str
    answered_since: _timestamp_pb2.Timestamp
    def __init__(self, pod: _Optional[_Union[Pod, _Mapping]] = ..., volume_id: _Optional[str] = ..., answered_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PodLeavesResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: str
    def __init__(self, version: _Optional[str] = ...) -> None: ...

class FindOriginRequest(_message.Message):
    __slots__ = ("namespace", "claim_name", "origin")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    CLAIM_NAME_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    claim_name: str
    origin: str
    def __init__(self, namespace: _Optional[str] = ..., claim_name: _Optional[str] = ..., origin: _Optional[str] = ...) -> None: ...

class FindOriginResponse(_message.Message):
    __slots__ = ("snapshot_id",)
    SNAPSHOT_ID_FIELD_NUMBER: _ClassVar[int]
    snapshot_id: str
    def __init__(self, snapshot_id: _Optional[str] = ...) -> None: ...
