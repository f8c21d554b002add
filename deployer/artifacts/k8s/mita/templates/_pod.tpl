{{/* Labels of every object. */}}
{{- define "mita.labels" -}}
app: {{ .Release.Name }}
app.kubernetes.io/name: mita
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: mita
mita.finance/environment: {{ .Values.environment | quote }}
{{- end }}

{{/* Which key of the legacy secret becomes which file, by directory. */}}
{{- define "mita.legacyFiles" -}}
database: {DATABASE_URL: DATABASE_URL}
cache: {REDIS_URL: REDIS_URL}
auth: {JWT_SECRET: jwt-secret, JWT_PREVIOUS_SECRET: jwt-previous-secret}
app: {SECRET_KEY: secret-key}
external: {OPENAI_API_KEY: openai-api-key, SENTRY_DSN: sentry-dsn}
notifications: {SMTP_USERNAME: username, SMTP_PASSWORD: password}
{{- end }}

{{/* A secret volume for each directory of credentials, and the authority to trust. */}}
{{- define "mita.volumes" -}}
{{- $legacy := include "mita.legacyFiles" . | fromYaml }}
{{- range $directory, $secret := .Values.externalSecrets.secrets }}
- name: {{ $directory }}
  secret:
    defaultMode: 0440
    {{- if $.Values.externalSecrets.enabled }}
    secretName: {{ $secret }}
    {{- else }}
    secretName: {{ $.Values.legacySecrets.name }}
    items:
      {{- range $key, $file := get $legacy $directory }}
      - key: {{ $key }}
        path: {{ $file }}
      {{- end }}
    {{- end }}
{{- end }}
{{- with $.Values.trust.configMap }}
- name: trust
  configMap:
    name: {{ . }}
    items:
      - key: {{ $.Values.trust.key }}
        path: {{ $.Values.trust.key }}
{{- end }}
{{- end }}

{{/* The name of the secret that holds a directory's credentials. */}}
{{- define "mita.secretName" -}}
{{- $values := index . 0 -}}
{{- $values.externalSecrets.enabled | ternary (get $values.externalSecrets.secrets (index . 1)) $values.legacySecrets.name -}}
{{- end }}
