# bash completion for detcli. Written by "python -m detcli.cli.manual" from the command tree; do not edit.
_detcli() {
    local here="detcli" words="" word i cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
    if [[ $cur == "=" ]]; then cur=""
    elif [[ $prev == "=" ]]; then prev="${COMP_WORDS[COMP_CWORD-2]}"; fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        case "$here $word" in
            "detcli detect"|"detcli predict") here="detcli detect" ;;
            "detcli segment") here="detcli segment" ;;
            "detcli train") here="detcli train" ;;
            "detcli eval") here="detcli eval" ;;
            "detcli download") here="detcli download" ;;
            "detcli models") here="detcli models" ;;
            "detcli demo") here="detcli demo" ;;
            "detcli doctor") here="detcli doctor" ;;
            "detcli completion") here="detcli completion" ;;
            "detcli models convert") here="detcli models convert" ;;
            "detcli models list") here="detcli models list" ;;
            "detcli models info") here="detcli models info" ;;
            "detcli models path") here="detcli models path" ;;
            "detcli models verify") here="detcli models verify" ;;
            "detcli models remove") here="detcli models remove" ;;
        esac
    done
    COMPREPLY=()
    case "$here:$prev" in
        "detcli:--config") return ;;
        "detcli:--color") words="auto always never" ;;
        "detcli:--log-format") words="text json" ;;
        "detcli detect:--ext") return ;;
        "detcli detect:--exclude") return ;;
        "detcli detect:--files-from") return ;;
        "detcli detect:--limit") return ;;
        "detcli detect:--max-pixels") return ;;
        "detcli detect:-m"|"detcli detect:--model") words="dfine-n dfine-s dfine-m dfine-l dfine-x dfine-s-obj365 dfine-m-obj365 dfine-l-obj365 dfine-x-obj365 dfine-s-obj2coco dfine-m-obj2coco dfine-l-obj2coco dfine-x-obj2coco detr-r50 detr-r101 detr-r50-dc5 detr-r101-dc5 detr-r50-panoptic detr-r50-dc5-panoptic detr-r101-panoptic deformable-detr deformable-detr-single-scale deformable-detr-single-scale-dc5 deformable-detr-with-box-refine deformable-detr-with-box-refine-two-stage shapes" ;;
        "detcli detect:--revision") return ;;
        "detcli detect:--cache-dir") return ;;
        "detcli detect:-t"|"detcli detect:--threshold"|"detcli detect:--conf") return ;;
        "detcli detect:--max-det") return ;;
        "detcli detect:--classes") return ;;
        "detcli detect:--imgsz") return ;;
        "detcli detect:-d"|"detcli detect:--device") words="auto cpu cuda mps" ;;
        "detcli detect:-b"|"detcli detect:--batch") words="auto 1 2 4 8 16 32" ;;
        "detcli detect:--precision") words="auto fp32 bf16 fp16" ;;
        "detcli detect:-j"|"detcli detect:--workers") return ;;
        "detcli detect:-o"|"detcli detect:--output") return ;;
        "detcli detect:-f"|"detcli detect:--format") words="jsonl coco coco-results csv yolo table" ;;
        "detcli detect:--gt") return ;;
        "detcli detect:--if-exists") words="error overwrite skip" ;;
        "detcli detect:--save-images") return ;;
        "detcli detect:--save-crops") return ;;
        "detcli detect:--line-width") return ;;
        "detcli detect:--font") return ;;
        "detcli detect:--max-failures") return ;;
        "detcli detect:--config") return ;;
        "detcli detect:--color") words="auto always never" ;;
        "detcli detect:--log-format") words="text json" ;;
        "detcli segment:--ext") return ;;
        "detcli segment:--exclude") return ;;
        "detcli segment:--files-from") return ;;
        "detcli segment:--limit") return ;;
        "detcli segment:--max-pixels") return ;;
        "detcli segment:-m"|"detcli segment:--model") words="dfine-n dfine-s dfine-m dfine-l dfine-x dfine-s-obj365 dfine-m-obj365 dfine-l-obj365 dfine-x-obj365 dfine-s-obj2coco dfine-m-obj2coco dfine-l-obj2coco dfine-x-obj2coco detr-r50 detr-r101 detr-r50-dc5 detr-r101-dc5 detr-r50-panoptic detr-r50-dc5-panoptic detr-r101-panoptic deformable-detr deformable-detr-single-scale deformable-detr-single-scale-dc5 deformable-detr-with-box-refine deformable-detr-with-box-refine-two-stage shapes" ;;
        "detcli segment:--revision") return ;;
        "detcli segment:--cache-dir") return ;;
        "detcli segment:--task") words="panoptic instance semantic" ;;
        "detcli segment:--rule") words="original transformers" ;;
        "detcli segment:-t"|"detcli segment:--threshold"|"detcli segment:--conf") return ;;
        "detcli segment:--mask-threshold") return ;;
        "detcli segment:--overlap-threshold") return ;;
        "detcli segment:--max-det") return ;;
        "detcli segment:--classes") return ;;
        "detcli segment:--imgsz") return ;;
        "detcli segment:-d"|"detcli segment:--device") words="auto cpu cuda mps" ;;
        "detcli segment:-b"|"detcli segment:--batch") words="auto 1 2 4 8 16 32" ;;
        "detcli segment:--precision") words="auto fp32 bf16 fp16" ;;
        "detcli segment:-j"|"detcli segment:--workers") return ;;
        "detcli segment:-o"|"detcli segment:--output") return ;;
        "detcli segment:-f"|"detcli segment:--format") words="jsonl coco coco-results coco-panoptic csv table" ;;
        "detcli segment:--gt") return ;;
        "detcli segment:--if-exists") words="error overwrite skip" ;;
        "detcli segment:--save-images") return ;;
        "detcli segment:--save-masks") return ;;
        "detcli segment:--save-crops") return ;;
        "detcli segment:--line-width") return ;;
        "detcli segment:--font") return ;;
        "detcli segment:--max-failures") return ;;
        "detcli segment:--config") return ;;
        "detcli segment:--color") words="auto always never" ;;
        "detcli segment:--log-format") words="text json" ;;
        "detcli train:--data") return ;;
        "detcli train:--val") return ;;
        "detcli train:--images") return ;;
        "detcli train:--val-images") return ;;
        "detcli train:-m"|"detcli train:--model") words="dfine-n dfine-s dfine-m dfine-l dfine-x dfine-s-obj365 dfine-m-obj365 dfine-l-obj365 dfine-x-obj365 dfine-s-obj2coco dfine-m-obj2coco dfine-l-obj2coco dfine-x-obj2coco detr-r50 detr-r101 detr-r50-dc5 detr-r101-dc5 detr-r50-panoptic detr-r50-dc5-panoptic detr-r101-panoptic deformable-detr deformable-detr-single-scale deformable-detr-single-scale-dc5 deformable-detr-with-box-refine deformable-detr-with-box-refine-two-stage shapes" ;;
        "detcli train:--revision") return ;;
        "detcli train:--cache-dir") return ;;
        "detcli train:--recipe") return ;;
        "detcli train:--epochs") return ;;
        "detcli train:-b"|"detcli train:--batch") return ;;
        "detcli train:--accumulate") return ;;
        "detcli train:--lr") return ;;
        "detcli train:--imgsz") return ;;
        "detcli train:--mosaic") return ;;
        "detcli train:--seed") return ;;
        "detcli train:--evaluate-every") return ;;
        "detcli train:--set") return ;;
        "detcli train:-d"|"detcli train:--device") words="auto cpu cuda mps" ;;
        "detcli train:--precision") words="auto fp32 bf16 fp16" ;;
        "detcli train:-j"|"detcli train:--workers") return ;;
        "detcli train:-o"|"detcli train:--output") return ;;
        "detcli train:--if-exists") words="error overwrite skip" ;;
        "detcli train:--config") return ;;
        "detcli train:--color") words="auto always never" ;;
        "detcli train:--log-format") words="text json" ;;
        "detcli eval:--gt") return ;;
        "detcli eval:--results-format") words="jsonl coco coco-results csv yolo" ;;
        "detcli eval:--data") return ;;
        "detcli eval:--images") return ;;
        "detcli eval:-m"|"detcli eval:--model") words="dfine-n dfine-s dfine-m dfine-l dfine-x dfine-s-obj365 dfine-m-obj365 dfine-l-obj365 dfine-x-obj365 dfine-s-obj2coco dfine-m-obj2coco dfine-l-obj2coco dfine-x-obj2coco detr-r50 detr-r101 detr-r50-dc5 detr-r101-dc5 detr-r50-panoptic detr-r50-dc5-panoptic detr-r101-panoptic deformable-detr deformable-detr-single-scale deformable-detr-single-scale-dc5 deformable-detr-with-box-refine deformable-detr-with-box-refine-two-stage shapes" ;;
        "detcli eval:--revision") return ;;
        "detcli eval:--cache-dir") return ;;
        "detcli eval:-t"|"detcli eval:--threshold"|"detcli eval:--conf") return ;;
        "detcli eval:--max-det") return ;;
        "detcli eval:--iou-type") words="bbox segm panoptic" ;;
        "detcli eval:--imgsz") return ;;
        "detcli eval:-d"|"detcli eval:--device") words="auto cpu cuda mps" ;;
        "detcli eval:-b"|"detcli eval:--batch") words="auto 1 2 4 8 16 32" ;;
        "detcli eval:--precision") words="auto fp32 bf16 fp16" ;;
        "detcli eval:-j"|"detcli eval:--workers") return ;;
        "detcli eval:-o"|"detcli eval:--output") return ;;
        "detcli eval:-f"|"detcli eval:--format") words="table json" ;;
        "detcli eval:--save-plots") return ;;
        "detcli eval:--min-map") return ;;
        "detcli eval:--if-exists") words="error overwrite skip" ;;
        "detcli eval:--score") return ;;
        "detcli eval:--save-worst") return ;;
        "detcli eval:--worst") return ;;
        "detcli eval:--config") return ;;
        "detcli eval:--color") words="auto always never" ;;
        "detcli eval:--log-format") words="text json" ;;
        "detcli download:--revision") return ;;
        "detcli download:--cache-dir") return ;;
        "detcli download:--config") return ;;
        "detcli download:--color") words="auto always never" ;;
        "detcli download:--log-format") words="text json" ;;
        "detcli models:--config") return ;;
        "detcli models:--color") words="auto always never" ;;
        "detcli models:--log-format") words="text json" ;;
        "detcli models convert:-o"|"detcli models convert:--output") return ;;
        "detcli models convert:--if-exists") words="error overwrite skip" ;;
        "detcli models convert:--labels") return ;;
        "detcli models convert:--imgsz") return ;;
        "detcli models convert:--config") return ;;
        "detcli models convert:--color") words="auto always never" ;;
        "detcli models convert:--log-format") words="text json" ;;
        "detcli models list:--cache-dir") return ;;
        "detcli models list:--config") return ;;
        "detcli models list:--color") words="auto always never" ;;
        "detcli models list:--log-format") words="text json" ;;
        "detcli models info:--revision") return ;;
        "detcli models info:--cache-dir") return ;;
        "detcli models info:--config") return ;;
        "detcli models info:--color") words="auto always never" ;;
        "detcli models info:--log-format") words="text json" ;;
        "detcli models path:--revision") return ;;
        "detcli models path:--cache-dir") return ;;
        "detcli models path:--config") return ;;
        "detcli models path:--color") words="auto always never" ;;
        "detcli models path:--log-format") words="text json" ;;
        "detcli models verify:--cache-dir") return ;;
        "detcli models verify:--config") return ;;
        "detcli models verify:--color") words="auto always never" ;;
        "detcli models verify:--log-format") words="text json" ;;
        "detcli models remove:--cache-dir") return ;;
        "detcli models remove:--config") return ;;
        "detcli models remove:--color") words="auto always never" ;;
        "detcli models remove:--log-format") words="text json" ;;
        "detcli demo:-o"|"detcli demo:--output") return ;;
        "detcli demo:--if-exists") words="error overwrite skip" ;;
        "detcli demo:--config") return ;;
        "detcli demo:--color") words="auto always never" ;;
        "detcli demo:--log-format") words="text json" ;;
        "detcli doctor:--cache-dir") return ;;
        "detcli doctor:--config") return ;;
        "detcli doctor:--color") words="auto always never" ;;
        "detcli doctor:--log-format") words="text json" ;;
        "detcli completion:--config") return ;;
        "detcli completion:--color") words="auto always never" ;;
        "detcli completion:--log-format") words="text json" ;;
    esac
    if [[ -z $words && $cur == -* ]]; then
        case "$here" in
            "detcli") words="--version --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli detect") words="--no-recursive --ext --exclude --files-from -0 --null --limit --max-pixels -m --model --revision --offline --cache-dir -t --threshold --conf --max-det --classes --imgsz -d --device -b --batch --pad --precision --compile -j --workers --no-optimize --deterministic -o --output -f --format --header --csv-safe --gt --resume --if-exists -y --yes --save-images --save-crops --line-width --hide-labels --hide-scores --font --strict --max-failures -n --dry-run --progress --no-progress --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli segment") words="--no-recursive --ext --exclude --files-from -0 --null --limit --max-pixels -m --model --revision --offline --cache-dir --task --rule -t --threshold --conf --mask-threshold --overlap-threshold --max-det --classes --imgsz -d --device -b --batch --pad --precision --compile -j --workers --no-optimize --deterministic -o --output -f --format --header --csv-safe --gt --resume --if-exists -y --yes --save-images --save-masks --save-crops --line-width --hide-labels --hide-scores --font --strict --max-failures -n --dry-run --progress --no-progress --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli train") words="--data --val --images --val-images -m --model --scratch --revision --offline --cache-dir --recipe --epochs -b --batch --accumulate --lr --imgsz --mosaic --masks --seed --evaluate-every --set -d --device --precision -j --workers -o --output --resume --if-exists -y --yes -n --dry-run --progress --no-progress --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli eval") words="--gt --results-format --data --images -m --model --revision --offline --cache-dir -t --threshold --conf --max-det --iou-type --imgsz -d --device -b --batch --pad --precision --compile -j --workers --no-optimize --deterministic -o --output -f --format --save-plots --min-map --if-exists -y --yes --score --save-worst --worst --progress --no-progress --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli download") words="--revision --update --cache-dir --progress --no-progress --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli models") words="--config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli models convert") words="-o --output --if-exists -y --yes --labels --dc5 --no-dc5 --imgsz --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli models list") words="--cache-dir --json --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli models info") words="--revision --cache-dir --json --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli models path") words="--revision --cache-dir --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli models verify") words="--cache-dir --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli models remove") words="-y --yes --cache-dir --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli demo") words="-o --output --if-exists -y --yes --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli doctor") words="--network --cache-dir --json --config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
            "detcli completion") words="--config -q --quiet -v --verbose --color --log-format --debug -h --help" ;;
        esac
    elif [[ -z $words ]]; then
        case "$here" in
            "detcli") words="detect predict segment train eval download models demo doctor completion" ;;
            "detcli download") words="dfine-n dfine-s dfine-m dfine-l dfine-x dfine-s-obj365 dfine-m-obj365 dfine-l-obj365 dfine-x-obj365 dfine-s-obj2coco dfine-m-obj2coco dfine-l-obj2coco dfine-x-obj2coco detr-r50 detr-r101 detr-r50-dc5 detr-r101-dc5 detr-r50-panoptic detr-r50-dc5-panoptic detr-r101-panoptic deformable-detr deformable-detr-single-scale deformable-detr-single-scale-dc5 deformable-detr-with-box-refine deformable-detr-with-box-refine-two-stage shapes" ;;
            "detcli models") words="convert list info path verify remove" ;;
            "detcli models info") words="dfine-n dfine-s dfine-m dfine-l dfine-x dfine-s-obj365 dfine-m-obj365 dfine-l-obj365 dfine-x-obj365 dfine-s-obj2coco dfine-m-obj2coco dfine-l-obj2coco dfine-x-obj2coco detr-r50 detr-r101 detr-r50-dc5 detr-r101-dc5 detr-r50-panoptic detr-r50-dc5-panoptic detr-r101-panoptic deformable-detr deformable-detr-single-scale deformable-detr-single-scale-dc5 deformable-detr-with-box-refine deformable-detr-with-box-refine-two-stage shapes" ;;
            "detcli models path") words="dfine-n dfine-s dfine-m dfine-l dfine-x dfine-s-obj365 dfine-m-obj365 dfine-l-obj365 dfine-x-obj365 dfine-s-obj2coco dfine-m-obj2coco dfine-l-obj2coco dfine-x-obj2coco detr-r50 detr-r101 detr-r50-dc5 detr-r101-dc5 detr-r50-panoptic detr-r50-dc5-panoptic detr-r101-panoptic deformable-detr deformable-detr-single-scale deformable-detr-single-scale-dc5 deformable-detr-with-box-refine deformable-detr-with-box-refine-two-stage shapes" ;;
            "detcli models verify") words="dfine-n dfine-s dfine-m dfine-l dfine-x dfine-s-obj365 dfine-m-obj365 dfine-l-obj365 dfine-x-obj365 dfine-s-obj2coco dfine-m-obj2coco dfine-l-obj2coco dfine-x-obj2coco detr-r50 detr-r101 detr-r50-dc5 detr-r101-dc5 detr-r50-panoptic detr-r50-dc5-panoptic detr-r101-panoptic deformable-detr deformable-detr-single-scale deformable-detr-single-scale-dc5 deformable-detr-with-box-refine deformable-detr-with-box-refine-two-stage shapes" ;;
            "detcli models remove") words="dfine-n dfine-s dfine-m dfine-l dfine-x dfine-s-obj365 dfine-m-obj365 dfine-l-obj365 dfine-x-obj365 dfine-s-obj2coco dfine-m-obj2coco dfine-l-obj2coco dfine-x-obj2coco detr-r50 detr-r101 detr-r50-dc5 detr-r101-dc5 detr-r50-panoptic detr-r50-dc5-panoptic detr-r101-panoptic deformable-detr deformable-detr-single-scale deformable-detr-single-scale-dc5 deformable-detr-with-box-refine deformable-detr-with-box-refine-two-stage shapes" ;;
            "detcli completion") words="bash zsh fish" ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _detcli detcli
