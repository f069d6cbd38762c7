function W(n){let e=n instanceof Uint8Array?n:new Uint8Array(n),i=new DataView(e.buffer,e.byteOffset,4).getUint32(0,!0),r=JSON.parse(new TextDecoder().decode(e.subarray(4,4+i))),s=4+i,p=new Map;for(let{name:m,type:c,bytes:t}of r.parts)p.set(m,{type:c,bytes:e.slice(s,s+t)}),s+=t;return{...r,parts:p}}function B(){let n=[];return{of(e){let i=URL.createObjectURL(new Blob([e.bytes],{type:e.type}));return n.push(i),i},free(){n.splice(0).forEach(e=>URL.revokeObjectURL(e))}}}var K=`:host { display: block; }
.viewer {
  --line: var(--st-border-color, #8884);
  --soft: var(--st-secondary-background-color, #f2f2f4);
  --ink: var(--st-text-color, #222);
  --paper: var(--st-background-color, #fff);
  --accent: var(--st-primary-color, #2563eb);
  --radius: var(--st-base-radius, 8px);
  font: 14px/1.4 var(--st-font, system-ui, sans-serif);
  color: var(--ink);
  display: flex; flex-direction: column; gap: 8px;
  min-width: 0;
}
.viewer * { box-sizing: border-box; }
.stage {
  position: relative; overflow: hidden; width: 100%;
  border: 1px solid var(--line); border-radius: var(--radius); background: var(--soft);
}
.stage:focus-visible, button:focus-visible, input:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 1px;
}
.stage canvas, .stage img { display: block; }
.checker {
  background: repeating-conic-gradient(#d4d4d8 0 25%, #fafafa 0 50%) 0 0 / 20px 20px;
}
.paper { background: #fff; }
.night { background: #17181c; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.bar .grow { flex: 1; }
.bar .note { opacity: .75; font-size: 13px; }
button {
  font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: var(--radius);
  min-width: 34px; min-height: 34px; padding: 4px 9px; cursor: pointer;
}
button:hover { border-color: var(--accent); }
button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); background: color-mix(in srgb, var(--accent) 12%, var(--paper)); }
.trouble { margin: 0; padding: 10px 12px; border: 1px solid var(--line); border-left: 3px solid #c2410c; border-radius: var(--radius); background: var(--soft); }
.small .bar, .small details, .small .strip { display: none; }
details > summary { cursor: pointer; }
.layers { list-style: none; margin: 8px 0 0; padding: 0; max-height: 240px; overflow: auto; display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 2px 12px; }
.layers label { display: flex; gap: 8px; align-items: center; padding: 3px 2px; min-height: 30px; cursor: pointer; }
.layers i { width: 16px; height: 16px; flex: none; border: 1px solid var(--line); border-radius: 3px; }
.layers span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.strip { display: flex; gap: 3px; overflow-x: auto; }
.strip button { padding: 0; border: 2px solid transparent; border-radius: 4px; flex: 1 0 56px; background: none; line-height: 0; overflow: hidden; }
.strip button.now { border-color: var(--accent); }
.strip canvas { width: 100%; height: auto; display: block; }
video { width: 100%; max-height: 540px; display: block; background: #000; border-radius: var(--radius); }
.small video { max-height: 220px; }
audio { width: 100%; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
.pair figure { margin: 0; min-width: 0; }
.pair figcaption { font-size: 13px; opacity: .8; margin-bottom: 3px; }
.pair canvas { width: 100%; height: auto; display: block; touch-action: manipulation; border-radius: var(--radius); border: 1px solid var(--line); }
@media (max-width: 420px) { .pair { gap: 4px; } }
input[type="range"] { accent-color: var(--accent); width: 100%; min-height: 28px; margin: 0; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
iframe { border: 1px solid var(--line); border-radius: var(--radius); width: 100%; background: var(--paper); }
`;var $=new WeakMap;function C(n,e){return({data:i,parentElement:r})=>{let s=W(i),p=$.get(r);if(p?.stamp===s.stamp)return p.view?.retheme?.(),p.end;p?.end();let m=Object.assign(document.createElement("style"),{textContent:K}),c=d("div",{className:"viewer"});c.dataset.viewer=n,s.small&&c.classList.add("small"),r.append(m,c);let t={stamp:s.stamp,view:null,gone:!1};t.end=()=>{t.gone=!0,t.view?.end?.(),t.view=null,m.remove(),c.remove(),$.get(r)===t&&$.delete(r)},$.set(r,t);let u=performance.now();return Promise.resolve().then(()=>e(c,s)).then(o=>{if(t.gone)return o?.end?.();t.view=o,c.dataset.loaded=String(Math.round(performance.now()-u))}).catch(o=>z(c,o)),t.end}}function z(n,e){let i=e?.sentence??"This file cannot be drawn; it can still be downloaded.";n.dataset.error=e?.message??String(e),n.replaceChildren(d("p",{className:"trouble",role:"alert",textContent:i}))}function N(n){return Object.assign(new Error(n),{sentence:n})}function d(n,e={},...i){let r=document.createElement(n);for(let[s,p]of Object.entries(e))s in r&&s!=="role"?r[s]=p:r.setAttribute(s,p);return r.append(...i),r}function M(n,e,i){let r=d("button",{type:"button",title:e,textContent:n});return r.setAttribute("aria-label",e),r.addEventListener("click",i),r}var X=40;function S(n,{width:e,height:i,label:r,small:s,most:p=560,least:m=1},c){let t=d("div",{className:"stage",tabIndex:0});t.setAttribute("role","group"),t.setAttribute("aria-label",`${r}. Zoom with plus and minus, move with the arrow keys, 0 fits it.`),t.style.touchAction="pan-y";let u=d("span",{className:"note"});u.setAttribute("aria-live","polite");let o=1,f=1,x=0,g=0,L=!1;function h(){let a=t.clientWidth||300,l=Math.min(a/e,(s?220:p)/i);f=l>=2&&m>=2&&m<100?Math.floor(Math.min(l,m)):Math.min(l,Math.max(1,m)),t.style.height=`${Math.round(Math.max(i*f,s?60:120))+2}px`}function y(){let a=e*f*o,l=i*f*o,b=t.clientWidth,w=t.clientHeight;x=a<=b?(b-a)/2:Math.min(0,Math.max(b-a,x)),g=l<=w?(w-l)/2:Math.min(0,Math.max(w-l,g)),t.style.touchAction=o>1?"none":"pan-y",t.style.cursor=a>b||l>w?"grab":"",u.textContent=`${Math.round(100*f*o)} %`,c(a,l,x,g)}function v(a,l=t.clientWidth/2,b=t.clientHeight/2){let w=Math.min(X/f,Math.max(.25,o*a));x=l-(l-x)*w/o,g=b-(b-g)*w/o,o=w,L=!0,y()}function k(a,l){x+=a,g+=l,y()}function E(){o=1,L=!1,h(),y()}t.addEventListener("wheel",a=>{if(!a.ctrlKey&&!a.metaKey)return;a.preventDefault();let l=t.getBoundingClientRect();v(Math.exp(-a.deltaY/300),a.clientX-l.left,a.clientY-l.top)},{passive:!1}),t.addEventListener("keydown",a=>{let l={"+":()=>v(1.25),"=":()=>v(1.25),"-":()=>v(.8),0:E,ArrowLeft:()=>k(40,0),ArrowRight:()=>k(-40,0),ArrowUp:()=>k(0,40),ArrowDown:()=>k(0,-40)};a.ctrlKey||a.metaKey||a.altKey||!l[a.key]||a.key.startsWith("Arrow")&&o<=1||(a.preventDefault(),l[a.key]())});let A=new Map;t.addEventListener("pointerdown",a=>{A.set(a.pointerId,[a.clientX,a.clientY]),o>1&&t.setPointerCapture(a.pointerId)}),t.addEventListener("pointermove",a=>{let l=A.get(a.pointerId);if(!l)return;let b=[a.clientX,a.clientY];if(A.size===2){let w=[...A].find(([R])=>R!==a.pointerId)[1],D=t.getBoundingClientRect(),I=R=>Math.hypot(R[0]-w[0],R[1]-w[1])||1;v(I(b)/I(l),(b[0]+w[0])/2-D.left,(b[1]+w[1])/2-D.top)}else o>1&&k(b[0]-l[0],b[1]-l[1]);A.set(a.pointerId,b)});for(let a of["pointerup","pointercancel"])t.addEventListener(a,l=>A.delete(l.pointerId));t.addEventListener("dblclick",a=>{let l=t.getBoundingClientRect();L?E():v(2.5,a.clientX-l.left,a.clientY-l.top)}),t.addEventListener("dragstart",a=>a.preventDefault());let O=d("div",{className:"bar",role:"toolbar"});O.append(M("\u2212","Zoom out",()=>v(.8)),M("+","Zoom in",()=>v(1.25)),M("Fit","Fit to view",E),u),n.append(t,O);let j=new ResizeObserver(()=>{L||h(),y()});return j.observe(t),E(),{frame:t,bar:O,draw:y,end:()=>j.disconnect()}}function U(n,e=["checker","paper","night"]){let i={checker:"checkerboard",paper:"white",night:"dark"},r=0,s=M("\u25D0","",()=>p(r+1));function p(m){n.classList.remove(e[r]),r=m%e.length,n.classList.add(e[r]);let c=`Background: ${i[e[r]]}. Press for ${i[e[(r+1)%e.length]]}.`;s.title=c,s.setAttribute("aria-label",c)}return p(0),s}async function T(n,e){let i=d("img",{alt:e,draggable:!1});i.src=n;try{await i.decode()}catch{throw N("This picture cannot be decoded.")}return i}var te=C("picture",async(n,e)=>{let i=B(),r=await T(i.of(e.parts.get("picture")),e.alt);r.style.cssText="position:absolute;left:0;top:0;max-width:none";let{naturalWidth:s,naturalHeight:p}=r,m=Math.max(s,p)<=160?8:1.4,c=S(n,{width:s,height:p,label:e.alt,small:e.small,least:m},(t,u,o,f)=>{r.style.width=`${t}px`,r.style.height=`${u}px`,r.style.transform=`translate(${o}px, ${f}px)`,r.style.imageRendering=t>=2*s?"pixelated":"auto"});return c.frame.append(r),e.transparent&&c.bar.append(U(c.frame)),c.bar.append(d("span",{className:"grow"}),d("span",{className:"note",textContent:e.note??""})),c.draw(),{end:()=>(c.end(),i.free())}});var ie=C("vector",async(n,e)=>{let i=new TextDecoder().decode(e.parts.get("svg").bytes),r=new DOMParser().parseFromString(i,"image/svg+xml");if(r.querySelector("parsererror")||r.documentElement.localName!=="svg")throw N("This is no well-formed SVG.");let{width:s,height:p,layers:m}=e;r.documentElement.setAttribute("width",s),r.documentElement.setAttribute("height",p);let c=m.map(h=>r.querySelector(`[data-layer="${h.index}"]`)),t=null;async function u(){let h=URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(r)],{type:"image/svg+xml"})),y=await T(h,e.alt);return t&&URL.revokeObjectURL(t),t=h,y.style.cssText="position:absolute;left:0;top:0;max-width:none",y}let o=await u(),f=!1,x=!1,g=S(n,{width:s,height:p,label:e.alt,small:e.small,least:1e6},(h,y,v,k)=>{o.style.width=`${h}px`,o.style.height=`${y}px`,o.style.transform=`translate(${v}px, ${k}px)`});g.frame.append(o),g.draw();async function L(){if(f=!0,!x){x=!0;try{for(;f;){f=!1;let h=await u();o.replaceWith(h),o=h,g.draw()}}catch(h){z(n,h)}x=!1}}return g.bar.append(U(g.frame),d("span",{className:"grow"}),d("span",{className:"note",textContent:e.note??""})),m.length&&!e.small&&n.append(Y(m,c,L)),{end:()=>(g.end(),t&&URL.revokeObjectURL(t))}});function Y(n,e,i){let r=d("ul",{className:"layers"}),s=(u,o)=>{o?e[u].removeAttribute("display"):e[u].setAttribute("display","none")},p=n.map((u,o)=>{let f=d("input",{type:"checkbox",checked:!0});f.addEventListener("change",()=>(s(o,f.checked),i()));let x=d("i",{"aria-hidden":"true"});x.style.background=u.colour??"transparent";let g=d("label",{},f,x,d("span",{textContent:u.name,title:u.name}));return r.append(d("li",{},g)),f}),m=u=>()=>{p.forEach((o,f)=>(o.checked=u,s(f,u))),i()},c=d("div",{className:"bar"});for(let[u,o]of[["Show all",!0],["Hide all",!1]]){let f=d("button",{type:"button",textContent:u});f.addEventListener("click",m(o)),c.append(f)}return c.style.marginTop="8px",d("details",{},d("summary",{textContent:`Layers (${n.length})`}),c,r)}export{ie as default};
