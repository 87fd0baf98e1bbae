
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'infer' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'infer'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'infer' {
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write infer.yaml, after a look at the weights')
            [CompletionResult]::new('pack', 'pack', [CompletionResultType]::ParameterValue, 'Pack model weights into an OCI image')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show the contents of a packed model')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check every digest of a packed model')
            [CompletionResult]::new('unpack', 'unpack', [CompletionResultType]::ParameterValue, 'Write the files of a packed model into a folder')
            [CompletionResult]::new('render', 'render', [CompletionResultType]::ParameterValue, 'Print the Kubernetes manifests of a release, offline')
            [CompletionResult]::new('deploy', 'deploy', [CompletionResultType]::ParameterValue, 'Start the wanted version and give it the traffic')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show a release''s versions, their traffic and an open canary')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Print the logs of a release''s engines')
            [CompletionResult]::new('load', 'load', [CompletionResultType]::ParameterValue, 'Load-test a server, with a live readout, a report and SLO gates')
            [CompletionResult]::new('canary', 'canary', [CompletionResultType]::ParameterValue, 'Shift traffic to the wanted version, compare both, then hold, promote or roll back')
            [CompletionResult]::new('history', 'history', [CompletionResultType]::ParameterValue, 'List the revisions of a release, oldest first')
            [CompletionResult]::new('rollback', 'rollback', [CompletionResultType]::ParameterValue, 'Give the traffic back to a version that has served before')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Stop a release and delete all of its objects, processes and state')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve a release on this machine: its engines, and one weighted gateway in front')
            [CompletionResult]::new('sim', 'sim', [CompletionResultType]::ParameterValue, 'Simulate a GPU server: OpenAI API and vLLM metrics, a stated latency law, no model')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Check this machine and the cluster for what a release needs')
            [CompletionResult]::new('template', 'template', [CompletionResultType]::ParameterValue, 'List, copy and compare the templates of manifests')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of infer.yaml or of results')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page, or write one for each verb')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'infer;init' {
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Folder or .gguf file with the weights')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Where to pack them: REGISTRY/REPOSITORY, or oci:DIR')
            [CompletionResult]::new('--engine', '--engine', [CompletionResultType]::ParameterName, 'vllm, sglang, llama.cpp or sim; as the weights suggest if left out')
            [CompletionResult]::new('--engine-version', '--engine-version', [CompletionResultType]::ParameterName, 'The engine''s version, such as 0.18.0')
            [CompletionResult]::new('--engine-image', '--engine-image', [CompletionResultType]::ParameterName, 'Container image of the engine')
            [CompletionResult]::new('--target', '--target', [CompletionResultType]::ParameterName, 'Where it runs')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace, for Kubernetes')
            [CompletionResult]::new('--gpus', '--gpus', [CompletionResultType]::ParameterName, 'GPUs per replica')
            [CompletionResult]::new('--gateway', '--gateway', [CompletionResultType]::ParameterName, 'Gateway to join, for Kubernetes')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Host name that clients ask for')
            [CompletionResult]::new('--slo', '--slo', [CompletionResultType]::ParameterName, 'An SLO, such as ttft.p99<500ms; may be repeated')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'File to write')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'File to write')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace a file that is there')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;pack' {
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'REGISTRY/REPOSITORY[:TAG] or oci:DIR[:TAG]; model.image of infer.yaml if left out')
            [CompletionResult]::new('--also', '--also', [CompletionResultType]::ParameterName, 'Also write this manifest over the same blobs, tagged TAG-modelpack')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Leave out files or folders that match; may be repeated')
            [CompletionResult]::new('--lock', '--lock', [CompletionResultType]::ParameterName, 'Lock file to write [default: infer.lock beside infer.yaml]')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'Trust the certificates (PEM) of this file, too')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be sent')
            [CompletionResult]::new('--plain-http', '--plain-http', [CompletionResultType]::ParameterName, 'Use HTTP without TLS; not needed for a loopback address')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Do not check the registry''s certificate')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;inspect' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'Trust the certificates (PEM) of this file, too')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--files', '--files', [CompletionResultType]::ParameterName, 'List each file of each layer')
            [CompletionResult]::new('--plain-http', '--plain-http', [CompletionResultType]::ParameterName, 'Use HTTP without TLS; not needed for a loopback address')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Do not check the registry''s certificate')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;verify' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'Trust the certificates (PEM) of this file, too')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--plain-http', '--plain-http', [CompletionResultType]::ParameterName, 'Use HTTP without TLS; not needed for a loopback address')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Do not check the registry''s certificate')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;unpack' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'Trust the certificates (PEM) of this file, too')
            [CompletionResult]::new('--into', '--into', [CompletionResultType]::ParameterName, 'Folder to make; it must not exist yet')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--plain-http', '--plain-http', [CompletionResultType]::ParameterName, 'Use HTTP without TLS; not needed for a loopback address')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Do not check the registry''s certificate')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;render' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Packed model to use instead of the one in infer.lock')
            [CompletionResult]::new('--lock', '--lock', [CompletionResultType]::ParameterName, 'The infer.lock to read; the one beside infer.yaml if left out')
            [CompletionResult]::new('--into', '--into', [CompletionResultType]::ParameterName, 'Write one file for each object into this folder, and remove old ones that infer wrote')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;deploy' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Image to serve instead of infer.yaml''s; with a digest, infer.lock is not asked')
            [CompletionResult]::new('--lock', '--lock', [CompletionResultType]::ParameterName, 'The infer.lock to read; the one beside infer.yaml if left out')
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'Trust the certificates (PEM) of this file, too')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--no-traffic', '--no-traffic', [CompletionResultType]::ParameterName, 'Start the new version as candidate; the traffic does not move')
            [CompletionResult]::new('--allow-downtime', '--allow-downtime', [CompletionResultType]::ParameterName, 'With rollout.surge none and no room for both versions: stop the live one first')
            [CompletionResult]::new('--plain-http', '--plain-http', [CompletionResultType]::ParameterName, 'Use HTTP without TLS; not needed for a loopback address')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Do not check the registry''s certificate')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;status' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;logs' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Version to print; live and candidate if left out')
            [CompletionResult]::new('--tail', '--tail', [CompletionResultType]::ParameterName, 'Lines to start with')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Print new lines as they are written')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;load' {
            [CompletionResult]::new('--endpoint', '--endpoint', [CompletionResultType]::ParameterName, 'URL of the release of infer.yaml; its gateway''s address by default')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Model to ask for; the only one of the server by default')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Users at once (closed loop), or with --rate the most requests in flight')
            [CompletionResult]::new('--concurrency', '--concurrency', [CompletionResultType]::ParameterName, 'Users at once (closed loop), or with --rate the most requests in flight')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Requests per second, sent on schedule whatever the server does (open loop)')
            [CompletionResult]::new('--rate', '--rate', [CompletionResultType]::ParameterName, 'Requests per second, sent on schedule whatever the server does (open loop)')
            [CompletionResult]::new('--arrival', '--arrival', [CompletionResultType]::ParameterName, 'How gaps vary: poisson, constant, or gamma:S (S below 1 is burstier)')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Requests to send')
            [CompletionResult]::new('--requests', '--requests', [CompletionResultType]::ParameterName, 'Requests to send')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'How long to send, such as 90s or 2m [default: 30s, unless --requests is given]')
            [CompletionResult]::new('--duration', '--duration', [CompletionResultType]::ParameterName, 'How long to send, such as 90s or 2m [default: 30s, unless --requests is given]')
            [CompletionResult]::new('--warmup', '--warmup', [CompletionResultType]::ParameterName, 'Requests sent first and not measured')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Repeats a run: same prompts, same schedule [default: drawn anew, and shown]')
            [CompletionResult]::new('--input-tokens', '--input-tokens', [CompletionResultType]::ParameterName, 'Words in each made-up prompt, about as many tokens')
            [CompletionResult]::new('--output-tokens', '--output-tokens', [CompletionResultType]::ParameterName, 'Longest answer, and exactly that long where the engine can be told to go on')
            [CompletionResult]::new('--prompts', '--prompts', [CompletionResultType]::ParameterName, 'Your own prompts, one {"prompt": …} or {"messages": […]} a line')
            [CompletionResult]::new('--api', '--api', [CompletionResultType]::ParameterName, 'chat, completions or embeddings')
            [CompletionResult]::new('--slo', '--slo', [CompletionResultType]::ParameterName, 'An SLO to check, such as ''ttft.p99<500ms''; repeatable; the release''s `gates.slo` if neither this nor a URL is given')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a report that one can open in a browser')
            [CompletionResult]::new('--junit', '--junit', [CompletionResultType]::ParameterName, 'Write the gates as test cases for a CI system (`JUnit`)')
            [CompletionResult]::new('--header', '--header', [CompletionResultType]::ParameterName, 'Header to send, as NAME:VALUE; repeatable')
            [CompletionResult]::new('--api-key-env', '--api-key-env', [CompletionResultType]::ParameterName, 'Environment variable that holds the API key')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest waits, as first=2m,idle=1m,total=10m')
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'Certificates to trust as well')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--no-stream', '--no-stream', [CompletionResultType]::ParameterName, 'Ask for whole answers; TTFT and TPOT cannot be measured then')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Take any certificate')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('compare', 'compare', [CompletionResultType]::ParameterValue, 'Tell whether run B is worse than run A')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'infer;load;compare' {
            [CompletionResult]::new('--margin', '--margin', [CompletionResultType]::ParameterName, 'How much slower still counts as not worse')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of the resampling')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;load;help' {
            [CompletionResult]::new('compare', 'compare', [CompletionResultType]::ParameterValue, 'Tell whether run B is worse than run A')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'infer;load;help;compare' {
            break
        }
        'infer;load;help;help' {
            break
        }
        'infer;canary' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--weight', '--weight', [CompletionResultType]::ParameterName, 'The candidate''s share of the requests, in percent; 0 compares by probes alone')
            [CompletionResult]::new('--steps', '--steps', [CompletionResultType]::ParameterName, 'Rising shares, each compared in turn, such as 5,25,100; a last one of 100 promotes')
            [CompletionResult]::new('--for', '--for', [CompletionResultType]::ParameterName, 'Time limit for the comparison at each share, such as 90s or 10m')
            [CompletionResult]::new('--margin', '--margin', [CompletionResultType]::ParameterName, 'Not worse means: shown to be slower by less than this (worse: shown to be slower at all)')
            [CompletionResult]::new('--match', '--match', [CompletionResultType]::ParameterName, 'A/B: requests with this header go to the candidate, all others to the live version')
            [CompletionResult]::new('--probe-rate', '--probe-rate', [CompletionResultType]::ParameterName, 'Paired probes a second: infer sends the same prompt to both versions; 0 turns them off')
            [CompletionResult]::new('--prompts', '--prompts', [CompletionResultType]::ParameterName, 'Prompts for the probes, as JSON lines [default: built-in prompts]')
            [CompletionResult]::new('--on-undecided', '--on-undecided', [CompletionResultType]::ParameterName, 'What to do at the time limit without a decision')
            [CompletionResult]::new('--on-interrupt', '--on-interrupt', [CompletionResultType]::ParameterName, 'What to do on SIGTERM, on SIGHUP, or on Ctrl-C without a terminal')
            [CompletionResult]::new('--pool-noise', '--pool-noise', [CompletionResultType]::ParameterName, 'Drift of a version''s latency without any change [default: learned from the live version]')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'The candidate: a version that is up already [default: the version that infer.yaml describes]')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Image to serve instead of infer.yaml''s; with a digest, infer.lock is not asked')
            [CompletionResult]::new('--lock', '--lock', [CompletionResultType]::ParameterName, 'The infer.lock to read; the one beside infer.yaml if left out')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Also write the comparison as one HTML file')
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'Trust the certificates (PEM) of this file, too')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--promote', '--promote', [CompletionResultType]::ParameterName, 'Give the candidate all requests once it is not worse')
            [CompletionResult]::new('--hold', '--hold', [CompletionResultType]::ParameterName, 'A/B: compare until the time limit, then keep the share whatever the result')
            [CompletionResult]::new('--plain-http', '--plain-http', [CompletionResultType]::ParameterName, 'Use HTTP without TLS; not needed for a loopback address')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Do not check the registry''s certificate')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show the open canary; exit code 4 if its process is gone')
            [CompletionResult]::new('resume', 'resume', [CompletionResultType]::ParameterValue, 'Continue an open canary at the step where it stopped')
            [CompletionResult]::new('promote', 'promote', [CompletionResultType]::ParameterValue, 'Give the candidate all requests, without a comparison')
            [CompletionResult]::new('abort', 'abort', [CompletionResultType]::ParameterValue, 'End the canary: the live version gets all requests again')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'infer;canary;status' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;canary;resume' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--prompts', '--prompts', [CompletionResultType]::ParameterName, 'Prompts for the probes, as JSON lines [default: built-in prompts]')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Also write the comparison as one HTML file')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;canary;promote' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;canary;abort' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;canary;help' {
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show the open canary; exit code 4 if its process is gone')
            [CompletionResult]::new('resume', 'resume', [CompletionResultType]::ParameterValue, 'Continue an open canary at the step where it stopped')
            [CompletionResult]::new('promote', 'promote', [CompletionResultType]::ParameterValue, 'Give the candidate all requests, without a comparison')
            [CompletionResult]::new('abort', 'abort', [CompletionResultType]::ParameterValue, 'End the canary: the live version gets all requests again')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'infer;canary;help;status' {
            break
        }
        'infer;canary;help;resume' {
            break
        }
        'infer;canary;help;promote' {
            break
        }
        'infer;canary;help;abort' {
            break
        }
        'infer;canary;help;help' {
            break
        }
        'infer;history' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;rollback' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Version to go back to; the one before live if left out')
            [CompletionResult]::new('--ca', '--ca', [CompletionResultType]::ParameterName, 'Trust the certificates (PEM) of this file, too')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--allow-downtime', '--allow-downtime', [CompletionResultType]::ParameterName, 'With rollout.surge none and no room for both versions: stop the live one first')
            [CompletionResult]::new('--plain-http', '--plain-http', [CompletionResultType]::ParameterName, 'Use HTTP without TLS; not needed for a loopback address')
            [CompletionResult]::new('--insecure', '--insecure', [CompletionResultType]::ParameterName, 'Do not check the registry''s certificate')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;delete' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace of the cluster; that of infer.yaml, else the kubeconfig''s, if left out')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out')
            [CompletionResult]::new('--drain', '--drain', [CompletionResultType]::ParameterName, 'Seconds that requests in flight get to finish')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;serve' {
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port of the gateway, from now on')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Leave the engines running on Ctrl-C, for the next infer serve to take over')
            [CompletionResult]::new('--detached', '--detached', [CompletionResultType]::ParameterName, 'Started by another verb: no terminal, a session of its own')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;sim' {
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Address to listen on')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port to listen on; 0 takes a free one')
            [CompletionResult]::new('--model', '--model', [CompletionResultType]::ParameterName, 'Folder or file of weights that must exist; it is not read')
            [CompletionResult]::new('--served-model-name', '--served-model-name', [CompletionResultType]::ParameterName, 'Name in /v1/models')
            [CompletionResult]::new('--reasoning-tokens', '--reasoning-tokens', [CompletionResultType]::ParameterName, 'Leading chat tokens that come as reasoning')
            [CompletionResult]::new('--drain', '--drain', [CompletionResultType]::ParameterName, 'How long answers may go on after SIGTERM or Ctrl-C; a second signal cuts them')
            [CompletionResult]::new('--base', '--base', [CompletionResultType]::ParameterName, 'Time to the first token before prompt tokens are counted')
            [CompletionResult]::new('--prefill', '--prefill', [CompletionResultType]::ParameterName, 'Added to the first token for each prompt token')
            [CompletionResult]::new('--per-token', '--per-token', [CompletionResultType]::ParameterName, 'Between two output tokens')
            [CompletionResult]::new('--noise', '--noise', [CompletionResultType]::ParameterName, 'Sigma of the log-normal noise; 0 is none')
            [CompletionResult]::new('--drift', '--drift', [CompletionResultType]::ParameterName, 'Sigma of the slow drift that all requests share; 0 is none')
            [CompletionResult]::new('--slots', '--slots', [CompletionResultType]::ParameterName, 'Requests answered at once; more of them queue')
            [CompletionResult]::new('--max-num-seqs', '--max-num-seqs', [CompletionResultType]::ParameterName, 'Requests answered at once; more of them queue')
            [CompletionResult]::new('--slowdown', '--slowdown', [CompletionResultType]::ParameterName, 'How much slower everything is with all slots taken: 1 is twice the time')
            [CompletionResult]::new('--kv-blocks', '--kv-blocks', [CompletionResultType]::ParameterName, 'KV-cache blocks of 16 tokens')
            [CompletionResult]::new('--context-tokens', '--context-tokens', [CompletionResultType]::ParameterName, 'Longest prompt and output together')
            [CompletionResult]::new('--max-model-len', '--max-model-len', [CompletionResultType]::ParameterName, 'Longest prompt and output together')
            [CompletionResult]::new('--output-tokens', '--output-tokens', [CompletionResultType]::ParameterName, 'Answer length where a request names none')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'Seed of all noise and faults')
            [CompletionResult]::new('--error-rate', '--error-rate', [CompletionResultType]::ParameterName, 'Requests answered with --error-status')
            [CompletionResult]::new('--error-status', '--error-status', [CompletionResultType]::ParameterName, 'Status of these')
            [CompletionResult]::new('--truncate-rate', '--truncate-rate', [CompletionResultType]::ParameterName, 'Streams that end halfway without a finish reason')
            [CompletionResult]::new('--reset-rate', '--reset-rate', [CompletionResultType]::ParameterName, 'Connections cut halfway through the answer')
            [CompletionResult]::new('--stream-error-rate', '--stream-error-rate', [CompletionResultType]::ParameterName, 'Streams that carry an error object halfway')
            [CompletionResult]::new('--hang-rate', '--hang-rate', [CompletionResultType]::ParameterName, 'Requests never answered; each keeps its slot until the client leaves')
            [CompletionResult]::new('--startup', '--startup', [CompletionResultType]::ParameterName, 'Answer 503 on /health for this long after the start')
            [CompletionResult]::new('--crash-after', '--crash-after', [CompletionResultType]::ParameterName, 'End with exit code 1 when request N+1 arrives')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--usage-always', '--usage-always', [CompletionResultType]::ParameterName, 'End every stream with a usage chunk, asked for or not')
            [CompletionResult]::new('--fail-start', '--fail-start', [CompletionResultType]::ParameterName, 'End with exit code 1 after --startup instead of getting ready')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;doctor' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig; looks at its cluster whatever the target')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace to look at rights in')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace to look at rights in')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;template' {
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List every template, its origin and its blocks')
            [CompletionResult]::new('eject', 'eject', [CompletionResultType]::ParameterValue, 'Copy built-in templates into the folder to change them there')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Compare your templates with the built-in ones')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'infer;template;list' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;template;eject' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace copies that are there')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;template;diff' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'The infer.yaml to read')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Environment of infer.yaml to apply: a key under `environments`')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change one key, as in `--set scale.replicas=2`; may be repeated')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('--exit-code', '--exit-code', [CompletionResultType]::ParameterName, 'Exit with 3 where there is a difference')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;template;help' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List every template, its origin and its blocks')
            [CompletionResult]::new('eject', 'eject', [CompletionResultType]::ParameterValue, 'Copy built-in templates into the folder to change them there')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Compare your templates with the built-in ones')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'infer;template;help;list' {
            break
        }
        'infer;template;help;eject' {
            break
        }
        'infer;template;help;diff' {
            break
        }
        'infer;template;help;help' {
            break
        }
        'infer;schema' {
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;completions' {
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;man' {
            [CompletionResult]::new('--into', '--into', [CompletionResultType]::ParameterName, 'Write infer.1 and a page for each verb into this folder')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How to write results')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour; NO_COLOR is honoured')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'infer;help' {
            [CompletionResult]::new('init', 'init', [CompletionResultType]::ParameterValue, 'Write infer.yaml, after a look at the weights')
            [CompletionResult]::new('pack', 'pack', [CompletionResultType]::ParameterValue, 'Pack model weights into an OCI image')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show the contents of a packed model')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Check every digest of a packed model')
            [CompletionResult]::new('unpack', 'unpack', [CompletionResultType]::ParameterValue, 'Write the files of a packed model into a folder')
            [CompletionResult]::new('render', 'render', [CompletionResultType]::ParameterValue, 'Print the Kubernetes manifests of a release, offline')
            [CompletionResult]::new('deploy', 'deploy', [CompletionResultType]::ParameterValue, 'Start the wanted version and give it the traffic')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show a release''s versions, their traffic and an open canary')
            [CompletionResult]::new('logs', 'logs', [CompletionResultType]::ParameterValue, 'Print the logs of a release''s engines')
            [CompletionResult]::new('load', 'load', [CompletionResultType]::ParameterValue, 'Load-test a server, with a live readout, a report and SLO gates')
            [CompletionResult]::new('canary', 'canary', [CompletionResultType]::ParameterValue, 'Shift traffic to the wanted version, compare both, then hold, promote or roll back')
            [CompletionResult]::new('history', 'history', [CompletionResultType]::ParameterValue, 'List the revisions of a release, oldest first')
            [CompletionResult]::new('rollback', 'rollback', [CompletionResultType]::ParameterValue, 'Give the traffic back to a version that has served before')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Stop a release and delete all of its objects, processes and state')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Serve a release on this machine: its engines, and one weighted gateway in front')
            [CompletionResult]::new('sim', 'sim', [CompletionResultType]::ParameterValue, 'Simulate a GPU server: OpenAI API and vLLM metrics, a stated latency law, no model')
            [CompletionResult]::new('doctor', 'doctor', [CompletionResultType]::ParameterValue, 'Check this machine and the cluster for what a release needs')
            [CompletionResult]::new('template', 'template', [CompletionResultType]::ParameterValue, 'List, copy and compare the templates of manifests')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'Print the JSON Schema of infer.yaml or of results')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Print the manual page, or write one for each verb')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'infer;help;init' {
            break
        }
        'infer;help;pack' {
            break
        }
        'infer;help;inspect' {
            break
        }
        'infer;help;verify' {
            break
        }
        'infer;help;unpack' {
            break
        }
        'infer;help;render' {
            break
        }
        'infer;help;deploy' {
            break
        }
        'infer;help;status' {
            break
        }
        'infer;help;logs' {
            break
        }
        'infer;help;load' {
            [CompletionResult]::new('compare', 'compare', [CompletionResultType]::ParameterValue, 'Tell whether run B is worse than run A')
            break
        }
        'infer;help;load;compare' {
            break
        }
        'infer;help;canary' {
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show the open canary; exit code 4 if its process is gone')
            [CompletionResult]::new('resume', 'resume', [CompletionResultType]::ParameterValue, 'Continue an open canary at the step where it stopped')
            [CompletionResult]::new('promote', 'promote', [CompletionResultType]::ParameterValue, 'Give the candidate all requests, without a comparison')
            [CompletionResult]::new('abort', 'abort', [CompletionResultType]::ParameterValue, 'End the canary: the live version gets all requests again')
            break
        }
        'infer;help;canary;status' {
            break
        }
        'infer;help;canary;resume' {
            break
        }
        'infer;help;canary;promote' {
            break
        }
        'infer;help;canary;abort' {
            break
        }
        'infer;help;history' {
            break
        }
        'infer;help;rollback' {
            break
        }
        'infer;help;delete' {
            break
        }
        'infer;help;serve' {
            break
        }
        'infer;help;sim' {
            break
        }
        'infer;help;doctor' {
            break
        }
        'infer;help;template' {
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List every template, its origin and its blocks')
            [CompletionResult]::new('eject', 'eject', [CompletionResultType]::ParameterValue, 'Copy built-in templates into the folder to change them there')
            [CompletionResult]::new('diff', 'diff', [CompletionResultType]::ParameterValue, 'Compare your templates with the built-in ones')
            break
        }
        'infer;help;template;list' {
            break
        }
        'infer;help;template;eject' {
            break
        }
        'infer;help;template;diff' {
            break
        }
        'infer;help;schema' {
            break
        }
        'infer;help;completions' {
            break
        }
        'infer;help;man' {
            break
        }
        'infer;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
