{{- define "rokcsi.labels" -}}
app.kubernetes.io/name: rokcsi
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "rokcsi.selector" -}}
app.kubernetes.io/name: rokcsi
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rokcsi.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "rokcsi.sidecar" -}}
{{- if not .image }}{{ fail (printf "sidecars.%s.image is empty: name the community's image as your cluster finds it" .name) }}{{ end -}}
{{ .image }}
{{- end }}

{{- /* The names that the certificates carry: who may call the nodes, and who the nodes are. */ -}}
{{- define "rokcsi.controllerName" -}}
controller.{{ .Release.Name }}.rokcsi
{{- end }}
{{- define "rokcsi.nodeName" -}}
node.{{ .Release.Name }}.rokcsi
{{- end }}

{{- /* Where nodes and the controller ask for checkpoints. */ -}}
{{- define "rokcsi.timelineAddress" -}}
{{ .Values.checkpoints.address | default (printf "%s-timeline.%s.svc:%v" .Release.Name .Release.Namespace .Values.checkpoints.port) }}
{{- end }}

{{- /* What every container without privilege is held to. */ -}}
{{- define "rokcsi.unprivileged" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* The API of groups of snapshots, in the version that the cluster has; empty where it has none. */ -}}
{{- define "rokcsi.groups" -}}
{{- $there := .Capabilities.APIVersions -}}
{{- if $there.Has "groupsnapshot.storage.k8s.io/v1" -}}
groupsnapshot.storage.k8s.io/v1
{{- else if $there.Has "groupsnapshot.storage.k8s.io/v1beta2" -}}
groupsnapshot.storage.k8s.io/v1beta2
{{- end -}}
{{- end }}

{{- /* The pools of the nodes, as a list: which value of the label has it (none: all other nodes), where its pods go, and what it is. */ -}}
{{- define "rokcsi.pools" -}}
{{- $node := .Values.node -}}
{{- $own := pick $node "pool" "poolDir" "overcommit" -}}
{{- $others := dict "value" "" "nodeSelector" $node.nodeSelector "affinity" (include "rokcsi.elsewhere" . | fromYaml) -}}
{{- $pools := list (merge $others $own) -}}
{{- range $value, $pool := $node.pools.values -}}
{{- $selector := merge (dict $node.pools.label $value) ($node.nodeSelector | default dict) -}}
{{- $here := dict "value" $value "nodeSelector" $selector "affinity" $node.affinity -}}
{{- $pools = append $pools (merge $here ($pool | default dict) $own) -}}
{{- end -}}
{{ toYaml $pools }}
{{- end }}

{{- /* The nodes' affinity, and away from those whose label chooses another pool. */ -}}
{{- define "rokcsi.elsewhere" -}}
{{- $affinity := deepCopy (.Values.node.affinity | default dict) -}}
{{- if .Values.node.pools.values -}}
{{- $away := dict "key" .Values.node.pools.label "operator" "NotIn" "values" (keys .Values.node.pools.values | sortAlpha) -}}
{{- $nodes := $affinity.nodeAffinity | default dict -}}
{{- $required := $nodes.requiredDuringSchedulingIgnoredDuringExecution | default dict -}}
{{- $terms := list -}}
{{- range $required.nodeSelectorTerms | default (list (dict)) -}}
{{- $terms = append $terms (merge (dict "matchExpressions" (append (.matchExpressions | default list) $away)) .) -}}
{{- end -}}
{{- $must := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" $terms) -}}
{{- $_ := set $affinity "nodeAffinity" (merge $must $nodes) -}}
{{- end -}}
{{ toYaml $affinity }}
{{- end }}
