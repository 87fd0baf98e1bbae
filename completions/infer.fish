# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_infer_global_optspecs
    string join \n output= q/quiet color= h/help V/version
end

function __fish_infer_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_infer_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_infer_using_subcommand
    set -l cmd (__fish_infer_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c infer -n "__fish_infer_needs_command" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_needs_command" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_needs_command" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_needs_command" -s V -l version -d 'Print version'
complete -c infer -n "__fish_infer_needs_command" -f -a "init" -d 'Write infer.yaml, after a look at the weights'
complete -c infer -n "__fish_infer_needs_command" -f -a "pack" -d 'Pack model weights into an OCI image'
complete -c infer -n "__fish_infer_needs_command" -f -a "inspect" -d 'Show the contents of a packed model'
complete -c infer -n "__fish_infer_needs_command" -f -a "verify" -d 'Check every digest of a packed model'
complete -c infer -n "__fish_infer_needs_command" -f -a "unpack" -d 'Write the files of a packed model into a folder'
complete -c infer -n "__fish_infer_needs_command" -f -a "render" -d 'Print the Kubernetes manifests of a release, offline'
complete -c infer -n "__fish_infer_needs_command" -f -a "deploy" -d 'Start the wanted version and give it the traffic'
complete -c infer -n "__fish_infer_needs_command" -f -a "status" -d 'Show a release\'s versions, their traffic and an open canary'
complete -c infer -n "__fish_infer_needs_command" -f -a "logs" -d 'Print the logs of a release\'s engines'
complete -c infer -n "__fish_infer_needs_command" -f -a "load" -d 'Load-test a server, with a live readout, a report and SLO gates'
complete -c infer -n "__fish_infer_needs_command" -f -a "canary" -d 'Shift traffic to the wanted version, compare both, then hold, promote or roll back'
complete -c infer -n "__fish_infer_needs_command" -f -a "history" -d 'List the revisions of a release, oldest first'
complete -c infer -n "__fish_infer_needs_command" -f -a "rollback" -d 'Give the traffic back to a version that has served before'
complete -c infer -n "__fish_infer_needs_command" -f -a "delete" -d 'Stop a release and delete all of its objects, processes and state'
complete -c infer -n "__fish_infer_needs_command" -f -a "serve" -d 'Serve a release on this machine: its engines, and one weighted gateway in front'
complete -c infer -n "__fish_infer_needs_command" -f -a "sim" -d 'Simulate a GPU server: OpenAI API and vLLM metrics, a stated latency law, no model'
complete -c infer -n "__fish_infer_needs_command" -f -a "doctor" -d 'Check this machine and the cluster for what a release needs'
complete -c infer -n "__fish_infer_needs_command" -f -a "template" -d 'List, copy and compare the templates of manifests'
complete -c infer -n "__fish_infer_needs_command" -f -a "schema" -d 'Print the JSON Schema of infer.yaml or of results'
complete -c infer -n "__fish_infer_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c infer -n "__fish_infer_needs_command" -f -a "man" -d 'Print the manual page, or write one for each verb'
complete -c infer -n "__fish_infer_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c infer -n "__fish_infer_using_subcommand init" -l model -d 'Folder or .gguf file with the weights' -r -F
complete -c infer -n "__fish_infer_using_subcommand init" -l image -d 'Where to pack them: REGISTRY/REPOSITORY, or oci:DIR' -r
complete -c infer -n "__fish_infer_using_subcommand init" -l engine -d 'vllm, sglang, llama.cpp or sim; as the weights suggest if left out' -r
complete -c infer -n "__fish_infer_using_subcommand init" -l engine-version -d 'The engine\'s version, such as 0.18.0' -r
complete -c infer -n "__fish_infer_using_subcommand init" -l engine-image -d 'Container image of the engine' -r
complete -c infer -n "__fish_infer_using_subcommand init" -l target -d 'Where it runs' -r -f -a "local\t'This machine'
kubernetes\t'A cluster'"
complete -c infer -n "__fish_infer_using_subcommand init" -l namespace -d 'Namespace, for Kubernetes' -r
complete -c infer -n "__fish_infer_using_subcommand init" -l gpus -d 'GPUs per replica' -r
complete -c infer -n "__fish_infer_using_subcommand init" -l gateway -d 'Gateway to join, for Kubernetes' -r
complete -c infer -n "__fish_infer_using_subcommand init" -l host -d 'Host name that clients ask for' -r
complete -c infer -n "__fish_infer_using_subcommand init" -l slo -d 'An SLO, such as ttft.p99<500ms; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand init" -s f -l file -d 'File to write' -r -F
complete -c infer -n "__fish_infer_using_subcommand init" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand init" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand init" -l force -d 'Replace a file that is there'
complete -c infer -n "__fish_infer_using_subcommand init" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand pack" -l to -d 'REGISTRY/REPOSITORY[:TAG] or oci:DIR[:TAG]; model.image of infer.yaml if left out' -r
complete -c infer -n "__fish_infer_using_subcommand pack" -l also -d 'Also write this manifest over the same blobs, tagged TAG-modelpack' -r -f -a "modelpack\t'CNCF ModelPack'"
complete -c infer -n "__fish_infer_using_subcommand pack" -l exclude -d 'Leave out files or folders that match; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand pack" -l lock -d 'Lock file to write [default: infer.lock beside infer.yaml]' -r -F
complete -c infer -n "__fish_infer_using_subcommand pack" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand pack" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand pack" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand pack" -l ca -d 'Trust the certificates (PEM) of this file, too' -r -F
complete -c infer -n "__fish_infer_using_subcommand pack" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand pack" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand pack" -l dry-run -d 'Only say what would be sent'
complete -c infer -n "__fish_infer_using_subcommand pack" -l plain-http -d 'Use HTTP without TLS; not needed for a loopback address'
complete -c infer -n "__fish_infer_using_subcommand pack" -l insecure -d 'Do not check the registry\'s certificate'
complete -c infer -n "__fish_infer_using_subcommand pack" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand pack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand inspect" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand inspect" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand inspect" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand inspect" -l ca -d 'Trust the certificates (PEM) of this file, too' -r -F
complete -c infer -n "__fish_infer_using_subcommand inspect" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand inspect" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand inspect" -l files -d 'List each file of each layer'
complete -c infer -n "__fish_infer_using_subcommand inspect" -l plain-http -d 'Use HTTP without TLS; not needed for a loopback address'
complete -c infer -n "__fish_infer_using_subcommand inspect" -l insecure -d 'Do not check the registry\'s certificate'
complete -c infer -n "__fish_infer_using_subcommand inspect" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand verify" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand verify" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand verify" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand verify" -l ca -d 'Trust the certificates (PEM) of this file, too' -r -F
complete -c infer -n "__fish_infer_using_subcommand verify" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand verify" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand verify" -l plain-http -d 'Use HTTP without TLS; not needed for a loopback address'
complete -c infer -n "__fish_infer_using_subcommand verify" -l insecure -d 'Do not check the registry\'s certificate'
complete -c infer -n "__fish_infer_using_subcommand verify" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand unpack" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand unpack" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand unpack" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand unpack" -l ca -d 'Trust the certificates (PEM) of this file, too' -r -F
complete -c infer -n "__fish_infer_using_subcommand unpack" -l into -d 'Folder to make; it must not exist yet' -r -F
complete -c infer -n "__fish_infer_using_subcommand unpack" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand unpack" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand unpack" -l plain-http -d 'Use HTTP without TLS; not needed for a loopback address'
complete -c infer -n "__fish_infer_using_subcommand unpack" -l insecure -d 'Do not check the registry\'s certificate'
complete -c infer -n "__fish_infer_using_subcommand unpack" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand unpack" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand render" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand render" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand render" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand render" -l image -d 'Packed model to use instead of the one in infer.lock' -r
complete -c infer -n "__fish_infer_using_subcommand render" -l lock -d 'The infer.lock to read; the one beside infer.yaml if left out' -r -F
complete -c infer -n "__fish_infer_using_subcommand render" -l into -d 'Write one file for each object into this folder, and remove old ones that infer wrote' -r -F
complete -c infer -n "__fish_infer_using_subcommand render" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand render" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand render" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand render" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand deploy" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand deploy" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand deploy" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand deploy" -l image -d 'Image to serve instead of infer.yaml\'s; with a digest, infer.lock is not asked' -r
complete -c infer -n "__fish_infer_using_subcommand deploy" -l lock -d 'The infer.lock to read; the one beside infer.yaml if left out' -r -F
complete -c infer -n "__fish_infer_using_subcommand deploy" -l ca -d 'Trust the certificates (PEM) of this file, too' -r -F
complete -c infer -n "__fish_infer_using_subcommand deploy" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand deploy" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand deploy" -l no-traffic -d 'Start the new version as candidate; the traffic does not move'
complete -c infer -n "__fish_infer_using_subcommand deploy" -l allow-downtime -d 'With rollout.surge none and no room for both versions: stop the live one first'
complete -c infer -n "__fish_infer_using_subcommand deploy" -l plain-http -d 'Use HTTP without TLS; not needed for a loopback address'
complete -c infer -n "__fish_infer_using_subcommand deploy" -l insecure -d 'Do not check the registry\'s certificate'
complete -c infer -n "__fish_infer_using_subcommand deploy" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand deploy" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand status" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand status" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand status" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand status" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand status" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand status" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand status" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand status" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand logs" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand logs" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand logs" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand logs" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand logs" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand logs" -l version -d 'Version to print; live and candidate if left out' -r
complete -c infer -n "__fish_infer_using_subcommand logs" -l tail -d 'Lines to start with' -r
complete -c infer -n "__fish_infer_using_subcommand logs" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand logs" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand logs" -l follow -d 'Print new lines as they are written'
complete -c infer -n "__fish_infer_using_subcommand logs" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l endpoint -d 'URL of the release of infer.yaml; its gateway\'s address by default' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l model -d 'Model to ask for; the only one of the server by default' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -s c -l concurrency -d 'Users at once (closed loop), or with --rate the most requests in flight' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -s r -l rate -d 'Requests per second, sent on schedule whatever the server does (open loop)' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l arrival -d 'How gaps vary: poisson, constant, or gamma:S (S below 1 is burstier)' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -s n -l requests -d 'Requests to send' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -s d -l duration -d 'How long to send, such as 90s or 2m [default: 30s, unless --requests is given]' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l warmup -d 'Requests sent first and not measured' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l seed -d 'Repeats a run: same prompts, same schedule [default: drawn anew, and shown]' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l input-tokens -d 'Words in each made-up prompt, about as many tokens' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l output-tokens -d 'Longest answer, and exactly that long where the engine can be told to go on' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l prompts -d 'Your own prompts, one {"prompt": …} or {"messages": […]} a line' -r -F
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l api -d 'chat, completions or embeddings' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l slo -d 'An SLO to check, such as \'ttft.p99<500ms\'; repeatable; the release\'s `gates.slo` if neither this nor a URL is given' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l report -d 'Write a report that one can open in a browser' -r -F
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l junit -d 'Write the gates as test cases for a CI system (`JUnit`)' -r -F
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l header -d 'Header to send, as NAME:VALUE; repeatable' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l api-key-env -d 'Environment variable that holds the API key' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l timeout -d 'Longest waits, as first=2m,idle=1m,total=10m' -r
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l ca -d 'Certificates to trust as well' -r -F
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l no-stream -d 'Ask for whole answers; TTFT and TPOT cannot be measured then'
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -l insecure -d 'Take any certificate'
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -a "compare" -d 'Tell whether run B is worse than run A'
complete -c infer -n "__fish_infer_using_subcommand load; and not __fish_seen_subcommand_from compare help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c infer -n "__fish_infer_using_subcommand load; and __fish_seen_subcommand_from compare" -l margin -d 'How much slower still counts as not worse' -r
complete -c infer -n "__fish_infer_using_subcommand load; and __fish_seen_subcommand_from compare" -l seed -d 'Seed of the resampling' -r
complete -c infer -n "__fish_infer_using_subcommand load; and __fish_seen_subcommand_from compare" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand load; and __fish_seen_subcommand_from compare" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand load; and __fish_seen_subcommand_from compare" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand load; and __fish_seen_subcommand_from compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand load; and __fish_seen_subcommand_from help" -f -a "compare" -d 'Tell whether run B is worse than run A'
complete -c infer -n "__fish_infer_using_subcommand load; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l weight -d 'The candidate\'s share of the requests, in percent; 0 compares by probes alone' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l steps -d 'Rising shares, each compared in turn, such as 5,25,100; a last one of 100 promotes' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l for -d 'Time limit for the comparison at each share, such as 90s or 10m' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l margin -d 'Not worse means: shown to be slower by less than this (worse: shown to be slower at all)' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l match -d 'A/B: requests with this header go to the candidate, all others to the live version' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l probe-rate -d 'Paired probes a second: infer sends the same prompt to both versions; 0 turns them off' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l prompts -d 'Prompts for the probes, as JSON lines [default: built-in prompts]' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l on-undecided -d 'What to do at the time limit without a decision' -r -f -a "restore\t'The weight from before the run'
hold\t'The weight stays'"
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l on-interrupt -d 'What to do on SIGTERM, on SIGHUP, or on Ctrl-C without a terminal' -r -f -a "roll-back\t'The live version gets all requests again'
freeze\t'The weight stays, for `infer canary resume`'"
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l pool-noise -d 'Drift of a version\'s latency without any change [default: learned from the live version]' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l version -d 'The candidate: a version that is up already [default: the version that infer.yaml describes]' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l image -d 'Image to serve instead of infer.yaml\'s; with a digest, infer.lock is not asked' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l lock -d 'The infer.lock to read; the one beside infer.yaml if left out' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l report -d 'Also write the comparison as one HTML file' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l ca -d 'Trust the certificates (PEM) of this file, too' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l promote -d 'Give the candidate all requests once it is not worse'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l hold -d 'A/B: compare until the time limit, then keep the share whatever the result'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l plain-http -d 'Use HTTP without TLS; not needed for a loopback address'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -l insecure -d 'Do not check the registry\'s certificate'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -a "status" -d 'Show the open canary; exit code 4 if its process is gone'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -a "resume" -d 'Continue an open canary at the step where it stopped'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -a "promote" -d 'Give the candidate all requests, without a comparison'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -a "abort" -d 'End the canary: the live version gets all requests again'
complete -c infer -n "__fish_infer_using_subcommand canary; and not __fish_seen_subcommand_from status resume promote abort help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from status" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from status" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from status" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from status" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from status" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from status" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from status" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -l prompts -d 'Prompts for the probes, as JSON lines [default: built-in prompts]' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -l report -d 'Also write the comparison as one HTML file' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from promote" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from promote" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from promote" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from promote" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from promote" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from promote" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from promote" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from promote" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from promote" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from abort" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from abort" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from abort" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from abort" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from abort" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from abort" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from abort" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from abort" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from abort" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show the open canary; exit code 4 if its process is gone'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from help" -f -a "resume" -d 'Continue an open canary at the step where it stopped'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from help" -f -a "promote" -d 'Give the candidate all requests, without a comparison'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from help" -f -a "abort" -d 'End the canary: the live version gets all requests again'
complete -c infer -n "__fish_infer_using_subcommand canary; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c infer -n "__fish_infer_using_subcommand history" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand history" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand history" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand history" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand history" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand history" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand history" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand history" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand rollback" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand rollback" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand rollback" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand rollback" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand rollback" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand rollback" -l to -d 'Version to go back to; the one before live if left out' -r
complete -c infer -n "__fish_infer_using_subcommand rollback" -l ca -d 'Trust the certificates (PEM) of this file, too' -r -F
complete -c infer -n "__fish_infer_using_subcommand rollback" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand rollback" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand rollback" -l allow-downtime -d 'With rollout.surge none and no room for both versions: stop the live one first'
complete -c infer -n "__fish_infer_using_subcommand rollback" -l plain-http -d 'Use HTTP without TLS; not needed for a loopback address'
complete -c infer -n "__fish_infer_using_subcommand rollback" -l insecure -d 'Do not check the registry\'s certificate'
complete -c infer -n "__fish_infer_using_subcommand rollback" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand delete" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand delete" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand delete" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand delete" -l namespace -d 'Namespace of the cluster; that of infer.yaml, else the kubeconfig\'s, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand delete" -l context -d 'Context of the kubeconfig; that of infer.yaml, else the current one, if left out' -r
complete -c infer -n "__fish_infer_using_subcommand delete" -l drain -d 'Seconds that requests in flight get to finish' -r
complete -c infer -n "__fish_infer_using_subcommand delete" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand delete" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand delete" -s y -l yes -d 'Do not ask'
complete -c infer -n "__fish_infer_using_subcommand delete" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand serve" -l port -d 'Port of the gateway, from now on' -r
complete -c infer -n "__fish_infer_using_subcommand serve" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand serve" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand serve" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand serve" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand serve" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand serve" -l keep -d 'Leave the engines running on Ctrl-C, for the next infer serve to take over'
complete -c infer -n "__fish_infer_using_subcommand serve" -l detached -d 'Started by another verb: no terminal, a session of its own'
complete -c infer -n "__fish_infer_using_subcommand serve" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand sim" -l host -d 'Address to listen on' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l port -d 'Port to listen on; 0 takes a free one' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l model -d 'Folder or file of weights that must exist; it is not read' -r -F
complete -c infer -n "__fish_infer_using_subcommand sim" -l served-model-name -d 'Name in /v1/models' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l reasoning-tokens -d 'Leading chat tokens that come as reasoning' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l drain -d 'How long answers may go on after SIGTERM or Ctrl-C; a second signal cuts them' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l base -d 'Time to the first token before prompt tokens are counted' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l prefill -d 'Added to the first token for each prompt token' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l per-token -d 'Between two output tokens' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l noise -d 'Sigma of the log-normal noise; 0 is none' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l drift -d 'Sigma of the slow drift that all requests share; 0 is none' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l slots -l max-num-seqs -d 'Requests answered at once; more of them queue' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l slowdown -d 'How much slower everything is with all slots taken: 1 is twice the time' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l kv-blocks -d 'KV-cache blocks of 16 tokens' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l context-tokens -l max-model-len -d 'Longest prompt and output together' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l output-tokens -d 'Answer length where a request names none' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l seed -d 'Seed of all noise and faults' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l error-rate -d 'Requests answered with --error-status' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l error-status -d 'Status of these' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l truncate-rate -d 'Streams that end halfway without a finish reason' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l reset-rate -d 'Connections cut halfway through the answer' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l stream-error-rate -d 'Streams that carry an error object halfway' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l hang-rate -d 'Requests never answered; each keeps its slot until the client leaves' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l startup -d 'Answer 503 on /health for this long after the start' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l crash-after -d 'End with exit code 1 when request N+1 arrives' -r
complete -c infer -n "__fish_infer_using_subcommand sim" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand sim" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand sim" -l usage-always -d 'End every stream with a usage chunk, asked for or not'
complete -c infer -n "__fish_infer_using_subcommand sim" -l fail-start -d 'End with exit code 1 after --startup instead of getting ready'
complete -c infer -n "__fish_infer_using_subcommand sim" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand sim" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand doctor" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand doctor" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand doctor" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand doctor" -l context -d 'Context of the kubeconfig; looks at its cluster whatever the target' -r
complete -c infer -n "__fish_infer_using_subcommand doctor" -s n -l namespace -d 'Namespace to look at rights in' -r
complete -c infer -n "__fish_infer_using_subcommand doctor" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand doctor" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand doctor" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand template; and not __fish_seen_subcommand_from list eject diff help" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand template; and not __fish_seen_subcommand_from list eject diff help" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand template; and not __fish_seen_subcommand_from list eject diff help" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand template; and not __fish_seen_subcommand_from list eject diff help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand template; and not __fish_seen_subcommand_from list eject diff help" -f -a "list" -d 'List every template, its origin and its blocks'
complete -c infer -n "__fish_infer_using_subcommand template; and not __fish_seen_subcommand_from list eject diff help" -f -a "eject" -d 'Copy built-in templates into the folder to change them there'
complete -c infer -n "__fish_infer_using_subcommand template; and not __fish_seen_subcommand_from list eject diff help" -f -a "diff" -d 'Compare your templates with the built-in ones'
complete -c infer -n "__fish_infer_using_subcommand template; and not __fish_seen_subcommand_from list eject diff help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from list" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from list" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from list" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from list" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from list" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from eject" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from eject" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from eject" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from eject" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from eject" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from eject" -l force -d 'Replace copies that are there'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from eject" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from eject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from diff" -s f -l file -d 'The infer.yaml to read' -r -F
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from diff" -l env -d 'Environment of infer.yaml to apply: a key under `environments`' -r
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from diff" -l set -d 'Change one key, as in `--set scale.replicas=2`; may be repeated' -r
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from diff" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from diff" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from diff" -l exit-code -d 'Exit with 3 where there is a difference'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from diff" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from help" -f -a "list" -d 'List every template, its origin and its blocks'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from help" -f -a "eject" -d 'Copy built-in templates into the folder to change them there'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from help" -f -a "diff" -d 'Compare your templates with the built-in ones'
complete -c infer -n "__fish_infer_using_subcommand template; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c infer -n "__fish_infer_using_subcommand schema" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand schema" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand schema" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand completions" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand completions" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand completions" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand man" -l into -d 'Write infer.1 and a page for each verb into this folder' -r -F
complete -c infer -n "__fish_infer_using_subcommand man" -l output -d 'How to write results' -r -f -a "human\t''
json\t'One JSON object a line'"
complete -c infer -n "__fish_infer_using_subcommand man" -l color -d 'When to use colour; NO_COLOR is honoured' -r -f -a "auto\t''
always\t''
never\t''"
complete -c infer -n "__fish_infer_using_subcommand man" -s q -l quiet -d 'Say only what went wrong'
complete -c infer -n "__fish_infer_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "init" -d 'Write infer.yaml, after a look at the weights'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "pack" -d 'Pack model weights into an OCI image'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "inspect" -d 'Show the contents of a packed model'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "verify" -d 'Check every digest of a packed model'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "unpack" -d 'Write the files of a packed model into a folder'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "render" -d 'Print the Kubernetes manifests of a release, offline'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "deploy" -d 'Start the wanted version and give it the traffic'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "status" -d 'Show a release\'s versions, their traffic and an open canary'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "logs" -d 'Print the logs of a release\'s engines'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "load" -d 'Load-test a server, with a live readout, a report and SLO gates'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "canary" -d 'Shift traffic to the wanted version, compare both, then hold, promote or roll back'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "history" -d 'List the revisions of a release, oldest first'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "rollback" -d 'Give the traffic back to a version that has served before'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "delete" -d 'Stop a release and delete all of its objects, processes and state'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "serve" -d 'Serve a release on this machine: its engines, and one weighted gateway in front'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "sim" -d 'Simulate a GPU server: OpenAI API and vLLM metrics, a stated latency law, no model'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "doctor" -d 'Check this machine and the cluster for what a release needs'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "template" -d 'List, copy and compare the templates of manifests'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "schema" -d 'Print the JSON Schema of infer.yaml or of results'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "man" -d 'Print the manual page, or write one for each verb'
complete -c infer -n "__fish_infer_using_subcommand help; and not __fish_seen_subcommand_from init pack inspect verify unpack render deploy status logs load canary history rollback delete serve sim doctor template schema completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c infer -n "__fish_infer_using_subcommand help; and __fish_seen_subcommand_from load" -f -a "compare" -d 'Tell whether run B is worse than run A'
complete -c infer -n "__fish_infer_using_subcommand help; and __fish_seen_subcommand_from canary" -f -a "status" -d 'Show the open canary; exit code 4 if its process is gone'
complete -c infer -n "__fish_infer_using_subcommand help; and __fish_seen_subcommand_from canary" -f -a "resume" -d 'Continue an open canary at the step where it stopped'
complete -c infer -n "__fish_infer_using_subcommand help; and __fish_seen_subcommand_from canary" -f -a "promote" -d 'Give the candidate all requests, without a comparison'
complete -c infer -n "__fish_infer_using_subcommand help; and __fish_seen_subcommand_from canary" -f -a "abort" -d 'End the canary: the live version gets all requests again'
complete -c infer -n "__fish_infer_using_subcommand help; and __fish_seen_subcommand_from template" -f -a "list" -d 'List every template, its origin and its blocks'
complete -c infer -n "__fish_infer_using_subcommand help; and __fish_seen_subcommand_from template" -f -a "eject" -d 'Copy built-in templates into the folder to change them there'
complete -c infer -n "__fish_infer_using_subcommand help; and __fish_seen_subcommand_from template" -f -a "diff" -d 'Compare your templates with the built-in ones'
